/**
 * Secrets are named in a config, never written: `daruma up` asks for the values and hands them to the daemon. They stand in no
 * revision, no plan and no command line.
 */

export type Secret =
  | { readonly from: 'environment'; readonly name: string }
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'command'; readonly command: readonly string[] }

export interface SecretFactory {
  /** The environment variable `name` of the `daruma up` that applies the config. */
  (name: string): Secret
  /** The content of a file, without the line feed at its end; a relative path begins at the config's folder. */
  file(path: string): Secret
  /** What a program writes to its standard output within 10 s, without the line feed at its end. No shell is involved. */
  command(command: readonly string[]): Secret
}

export const secret: SecretFactory = Object.assign((name: string): Secret => ({ from: 'environment', name }), {
  file: (path: string): Secret => ({ from: 'file', path }),
  command: (command: readonly string[]): Secret => ({ from: 'command', command }),
})
