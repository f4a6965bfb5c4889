export { SABOTAGES, type Sabotage } from './sabotage.ts';
export { simulate, type Outcome } from './simulate.ts';
