/**
 * A certificate from a file is renewed by somebody else, or by nobody: that is said while there is time to do something about it. Those
 * that we fetch ourselves are renewed long before.
 */

/** What authorities grant may soon be 47 days in all; nobody is to be warned all the time. */
export const warnBeforeDays: number = 21

/** Said again when it has come so near. */
export const alarmBeforeDays: number = 7

/** `notAfter`: ISO 8601, UTC. */
export const describeEnd = (file: string, notAfter: string): string =>
  `the certificate ${file} ends on ${notAfter.slice(0, 10)}, and nothing here renews it`
