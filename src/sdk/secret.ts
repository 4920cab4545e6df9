/**
 * Secrets are named in a config, never written: `daruma up` asks for the values and hands them to the daemon. They stand in no
 * revision, no plan and no command line.
 */

export type Secret = (
  | { readonly from: 'environment'; readonly name: string }
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'command'; readonly command: readonly string[] }
) &
  SecretForm

export interface SecretForm {
  /**
   * The program is given the value as a file that only its user can read, in memory and on no disk; `DARUMA_SECRET_<NAME>` holds its
   * path, and the variable itself is not set. Without it the value is in the variable.
   */
  readonly as?: 'file'
}

export interface SecretFactory {
  /** The environment variable `name` of the `daruma up` that applies the config. */
  (name: string, form?: SecretForm): Secret
  /** The content of a file, without the line feed at its end; a relative path begins at the config's folder. */
  file(path: string, form?: SecretForm): Secret
  /** What a program writes to its standard output within 10 s, without the line feed at its end. No shell is involved. */
  command(command: readonly string[], form?: SecretForm): Secret
}

export const secret: SecretFactory = Object.assign(
  (name: string, form: SecretForm = {}): Secret => ({ from: 'environment', name, ...form }),
  {
    file: (path: string, form: SecretForm = {}): Secret => ({ from: 'file', path, ...form }),
    command: (command: readonly string[], form: SecretForm = {}): Secret => ({ from: 'command', command, ...form }),
  },
)
