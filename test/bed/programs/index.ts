/** Real servers and clients in pods: what the datapath has to carry. */
export type { Body } from './bodies';
export { FAULTS, type Failure, type Fault, ProgramPods, type ProgramPodsOptions } from './program-pods';
export { CLIENTS, ROUTES, type Route, SERVERS, routeName } from './routes';
export { type Prepared, prepareSite } from './site';
