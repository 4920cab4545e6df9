/**
 * What looks like a secret, and under which name `daruma up` asks for it. A value that stands twice in the files is asked for once;
 * two values under one name get two names.
 */

const secretNames =
  /(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|APIKEY)(?:_|$)|(?:^|_)(?:PASS|PWD|SALT)(?:_|$)|(?:^|_)(?:API|ACCESS|APP|AUTH|ENCRYPTION|JWT|LICENSE|MASTER|PRIVATE|SECRET|SIGNING|SESSION|VAULT)_?KEY(?:_|$)/i
/** Settings about secrets that are none. */
const harmlessNames =
  /_(?:FILE|PATH|DIR|URL|HOST|LENGTH|MIN|MAX|POLICY|TTL|EXPIRY|EXPIRES(?:_IN)?|ENABLED|METHOD|ALGORITHM)$|^(?:ALLOW|DISABLE|ENABLE|REQUIRE|RANDOM)_|_(?:ALLOW_EMPTY|RANDOM)_|^MYSQL_(?:ALLOW|RANDOM)|^PWD$/i
const harmlessValues = /^(?:|0|1|true|false|yes|no|on|off|none|null)$/i
/** A user and a password in a URL. */
const urlWithPassword = /^[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:[^/\s@]+@/i

export function looksSecret(name: string, value: string | null): boolean {
  if (value !== null && urlWithPassword.test(value)) return true
  return secretNames.test(name) && !harmlessNames.test(name) && !(value !== null && harmlessValues.test(value))
}

export class Secrets {
  readonly #byValue = new Map<string, string>()
  readonly #byName = new Map<string, string>()
  /** Names by service. In one service each variable has its own: two that are equal there are an example's, and shall not stay so. */
  readonly #inService = new Map<string, Set<string>>()

  /** The variable that holds this value: `wanted`, or one that begins with the service's name when `wanted` holds another. */
  nameFor(wanted: string, value: string, service: string): string {
    const own = this.#inService.get(service) ?? new Set()
    this.#inService.set(service, own)
    const known = this.#byValue.get(value)
    if (known !== undefined && !own.has(known)) {
      own.add(known)
      return known
    }
    const prefix = service
      .toUpperCase()
      .replaceAll(/[^A-Z0-9]+/g, '_')
      .replace(/^(?=\d)/, '_')
    let name = wanted
    for (let number = 1; this.#byName.has(name) && this.#byName.get(name) !== value; number++) {
      name = number === 1 ? `${prefix}_${wanted}` : `${prefix}_${wanted}_${number}`
    }
    this.#byName.set(name, value)
    if (known === undefined) this.#byValue.set(value, name)
    own.add(name)
    return name
  }

  /** A variable that the Compose file itself asks for: its name is taken. */
  take(name: string): void {
    if (!this.#byName.has(name)) this.#byName.set(name, `\${${name}}`)
  }
}
