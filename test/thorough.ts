/**
 * `DARUMA_TEST_ALL=1`: more of what proves the same. Each run of the tests does a thing so often that a fault which is there is seen; the
 * long version is for anyone who changes what it is about.
 */

export const isThorough: boolean = process.env['DARUMA_TEST_ALL'] !== undefined

export const often = ({ usually, thoroughly }: { readonly usually: number; readonly thoroughly: number }): number =>
  isThorough ? thoroughly : usually
