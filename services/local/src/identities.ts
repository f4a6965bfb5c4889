import { authorizationConf, type Identity, makeIdentity } from '@runledger/nest-jetstream';
import { type LayoutService, PERMISSIONS } from '@runledger/proto';

const NAMES = Object.keys(PERMISSIONS) as LayoutService[];

export type Identities = Record<LayoutService, Identity>;

/** One identity for each service, and for the bootstrap: the seeds of `folder`, made where there is none. */
export async function makeIdentities(folder: string): Promise<Identities> {
  const made = await Promise.all(
    NAMES.map(async (name) => [name, await makeIdentity(folder, name)] as const),
  );
  return Object.fromEntries(made) as Identities;
}

/** The `authorization` block of a broker that knows them, with exactly what each may do. */
export function authorizationOf(identities: Identities, pools: readonly string[] = ['default']): string {
  const grants = NAMES.map((name) => ({
    name,
    publicKey: identities[name].publicKey,
    permissions: PERMISSIONS[name],
  }));
  return authorizationConf(grants, { pools });
}
