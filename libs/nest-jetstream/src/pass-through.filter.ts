import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { type Observable, throwError } from 'rxjs';

/**
 * Hands a handler's error on as it is. Nest's own filter replaces it by `{ status: 'error', message: 'Internal server error' }`,
 * which cannot be told apart into Fault and Poison. Every `@DurableConsumer` method has it.
 */
@Catch()
export class PassThroughFilter implements RpcExceptionFilter<unknown> {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}
