import { z } from 'zod';

/** `types=run.succeeded,milestone.reached` */
export const TypeList = z
  .string()
  .regex(/^[a-z][a-z._]{0,63}(,[a-z][a-z._]{0,63}){0,49}$/, 'must be a comma list of event types');
