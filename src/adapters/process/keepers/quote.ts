/** The one way in which a word gets into shell script. */

/** Between single quotes a shell gives no character a meaning but the single quote. */
export const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`
