/**
 * The API's routes by which files come to this host. They are the machine's and not a project's: a content is here once for all. A command
 * asks what is missing, sends that, and seals; what it has sent is checked by its digest as it comes.
 */

import { renderManifest } from '../../core/release/manifest.ts'
import type { Answer, Call, Route } from '../../ports/api.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Releases } from '../../ports/runtime/releases.ts'
import type { ContentAnswer, ReleaseBegun, ReleasesAnswer } from '../../protocol/api.ts'
import { releasesRequest } from '../../protocol/schema.ts'

/** 250,000 files with long names. */
const mostManifestBytes = 128 * 1024 * 1024
/** Of a file whose change is shown. */
const mostContentBytes = 256 * 1024

export function releaseRoutes(releases: Releases): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/releases/unknown',
      handle: async ({ body }) =>
        json({
          unknown: await releases.unknown(releasesRequest(body, 'request').digests.filter(isDigest)),
        } satisfies ReleasesAnswer),
    },
    {
      method: 'POST',
      path: '/v1/releases',
      takes: 'bytes',
      handle: async ({ stream }) => json((await releases.begin(await readText(stream))) satisfies ReleaseBegun),
    },
    {
      method: 'POST',
      path: '/v1/contents',
      takes: 'bytes',
      async handle({ stream }) {
        await releases.receive(stream)
        return json({})
      },
    },
    {
      method: 'POST',
      path: '/v1/releases/*/seal',
      async handle(call) {
        await releases.seal(digestIn(call))
        return json({})
      },
    },
    { method: 'GET', path: '/v1/releases/*', handle: (call) => showManifest(releases, digestIn(call)) },
    { method: 'GET', path: '/v1/contents/*', handle: (call) => showContent(releases, digestIn(call)) },
  ]
}

const json = (body: unknown): Answer => ({ kind: 'json', body })

async function readText(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const parts: string[] = []
  let bytes = 0
  for await (const part of stream) {
    bytes += part.length
    if (bytes > mostManifestBytes)
      throw new DarumaError('E_RELEASE_MANIFEST', `The manifest is larger than ${mostManifestBytes} bytes.`)
    parts.push(decode(decoder, part))
  }
  return parts.join('') + decode(decoder, null)
}

function decode(decoder: TextDecoder, part: Uint8Array | null): string {
  try {
    return part === null ? decoder.decode() : decoder.decode(part, { stream: true })
  } catch (cause) {
    throw new DarumaError('E_RELEASE_MANIFEST', 'The manifest is not UTF-8.', { cause })
  }
}

async function showManifest(releases: Releases, digest: string): Promise<Answer> {
  const manifest = await releases.manifest(digest)
  if (manifest === null) throw unknown(digest)
  return { kind: 'text', contentType: 'text/plain; charset=utf-8', text: renderManifest(manifest) }
}

async function showContent(releases: Releases, sha256: string): Promise<Answer> {
  const bytes = await releases.content(sha256, mostContentBytes)
  if (bytes === null) throw unknown(sha256)
  const isCut = bytes.length === mostContentBytes
  // What is cut may end within a character.
  const text = bytes.includes(0) ? null : new TextDecoder('utf-8').decode(bytes)
  return json({ text, isCut } satisfies ContentAnswer)
}

const isDigest = (text: string): boolean => /^[0-9a-f]{64}$/.test(text)

function digestIn({ parameters: [digest = ''] }: Call): string {
  if (!isDigest(digest)) throw new DarumaError('E_REQUEST_INVALID', `${digest.slice(0, 80)} is not a SHA-256 digest.`)
  return digest
}

const unknown = (digest: string): DarumaError =>
  new DarumaError('E_RELEASE_UNKNOWN', `There is no release and no content ${digest.slice(0, 12)} on this host.`)
