// better-auth in one of its versions, in memory, on loopback, and a service that takes its JWTs: node server.mjs VERSION PORT
//
// Options are those of a production deployment as its documentation describes it, but for what a test needs: a cheap
// hash for passwords, no rate limit, and addresses that count as verified, since nobody here reads mail.

import { createServer } from "node:http";
import { createHash } from "node:crypto";
import { createRemoteJWKSet, jwtVerify } from "jose";

const [version, port] = process.argv.slice(2);
if (!version || !port) {
  console.error("usage: node server.mjs VERSION PORT");
  process.exit(2);
}
const library = `better-auth-${version}`;
const { betterAuth } = await import(library);
const { memoryAdapter } = await import(`${library}/adapters/memory`);
const { toNodeHandler } = await import(`${library}/node`);
const { bearer, jwt, organization } = await import(`${library}/plugins`);
// Where a version lets organisations make roles of their own, the permissions of its predefined roles.
const access = await import(`${library}/plugins/organization/access`).catch(() => ({}));
const { createAccessControl } = await import(`${library}/plugins/access`);
const ac = access.defaultStatements?.ac && createAccessControl(access.defaultStatements);

const models = [
  "user", "session", "account", "verification", "jwks",
  "organization", "member", "invitation", "team", "teamMember", "organizationRole",
];
const memory = Object.fromEntries(models.map((model) => [model, []]));
const baseURL = `http://127.0.0.1:${port}`;
const digest = (password) => createHash("sha256").update(password).digest("hex");

const auth = betterAuth({
  baseURL,
  secret: "a secret of this process alone, for data that ends with it",
  database: memoryAdapter(memory),
  logger: { disabled: true, level: "error" },
  telemetry: { enabled: false },
  rateLimit: { enabled: false },
  emailAndPassword: {
    enabled: true,
    password: {
      hash: async (password) => digest(password),
      verify: async ({ hash, password }) => hash === digest(password),
    },
  },
  databaseHooks: {
    user: { create: { before: async (user) => ({ data: { ...user, emailVerified: true } }) } },
  },
  plugins: [
    bearer(),
    jwt(),
    organization({
      teams: { enabled: true },
      requireEmailVerificationOnInvitation: true,
      membershipLimit: 10_000,
      invitationLimit: 10_000,
      sendInvitationEmail: async () => {},
      ...(ac && {
        ac,
        roles: { owner: access.ownerAc, admin: access.adminAc, member: access.memberAc },
        dynamicAccessControl: { enabled: true },
      }),
    }),
  ],
});

// A service beside the library, as the JWT plugin is made for: it takes the library's tokens and fetches its keys.
const keys = createRemoteJWKSet(new URL(`${baseURL}/api/auth/jwks`));
const whoami = async (request, response) => {
  const [scheme, token] = (request.headers.authorization ?? "").split(" ");
  const verified = scheme === "Bearer" && jwtVerify(token ?? "", keys, { issuer: baseURL, audience: baseURL });
  const claims = await Promise.resolve(verified).then((proof) => proof?.payload, () => undefined);
  response.writeHead(claims ? 200 : 401, { "content-type": "application/json" });
  response.end(JSON.stringify(claims ? { id: claims.sub } : { message: "no valid token" }));
};

const handle = toNodeHandler(auth);
// What `fetch` has no words for (TRACE, CONNECT) makes the library's adapter throw, which would end the process. A
// framework around it answers for such methods, and for what goes wrong in it.
const server = createServer(async (request, response) => {
  try {
    const [path] = request.url.split("?");
    await (request.method === "GET" && path === "/api/auth/whoami" ? whoami : handle)(request, response);
  } catch {
    if (!response.headersSent) response.writeHead(["TRACE", "CONNECT", "TRACK"].includes(request.method) ? 405 : 500);
    response.end();
  }
});
// Longer than any pause of whoever tests: a connection that is closed while a request is on its way has no answer.
server.keepAliveTimeout = 120_000;
server.listen(Number(port), "127.0.0.1", () => console.log(`better-auth ${version} at ${baseURL}`));
