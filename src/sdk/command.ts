/** A string is run by `/bin/sh -c`, an array directly. */
export type Command = string | readonly string[]
