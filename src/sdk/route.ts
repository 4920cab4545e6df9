/** What may be written for `route`. The sentences are those of `docs/reference/config.md`. */

/** A domain alone, a port alone, or an object. */
export type Route = string | number | RouteByDomain | RouteByPort

export interface RouteByDomain extends RouteSettings {
  /**
   * The domain whose requests come here, at the balancer's `httpPort` and `httpsPort`. `*.example.com` is every name below it.
   * Default: none.
   */
  readonly domain: string
  readonly port?: never
  readonly protocol?: 'http' | undefined
  /**
   * The certificate: from files, by ACME (`'auto'`, which needs `balancer.acme`), or `false` for plain HTTP or TCP. With one, plain
   * requests to the domain are sent to `https`. Default: `'auto'` for a domain where `balancer.acme` is set, else `false`.
   */
  readonly tls?: false | 'auto' | TlsFiles | undefined
}

export interface RouteByPort extends RouteSettings {
  readonly domain?: never
  /** A port of this host, all of whose requests or connections come here. Default: none. */
  readonly port: number
  /** The protocol at the port: HTTP, or TCP, which is passed on unchanged. Default: `'http'`. */
  readonly protocol?: 'http' | 'tcp' | undefined
  /** The certificate; an automatic one is for a domain. Default: `false`. */
  readonly tls?: false | TlsFiles | undefined
}

export interface RouteSettings {
  /**
   * Only requests whose path starts with this, by whole segments: `/api` is `/api` and `/api/x`, not `/apix`. The longest path
   * wins. Default: `'/'`.
   */
  readonly path?: `/${string}` | undefined
  /** Whether any request may be sent again, a POST too, when the instance that has it dies. Default: `false`. */
  readonly idempotent?: boolean | undefined
  /** Where the PROXY protocol carries the client's address. Default: none. */
  readonly proxyProtocol?: ProxyProtocol | undefined
}

export interface TlsFiles {
  /** The PEM file of the certificate and of those between it and its root. Default: required. */
  readonly certificate: string
  /** The PEM file of its private key. Default: required. */
  readonly key: string
}

export interface ProxyProtocol {
  /**
   * Whether every client speaks the PROXY protocol (version 1 or 2), such as a load balancer in front of this host. Default:
   * `false`.
   */
  readonly accept?: boolean | undefined
  /** Whether the balancer passes the address of the client to the instances by the PROXY protocol, version 2. Default: `false`. */
  readonly send?: boolean | undefined
}
