/**
 * The files that a config names and that decide what runs: certificates, image archives, folders that are built. Each is looked at once,
 * whether it can be used, and its digest goes into the project, so that a plan sees a change. Services that name none cost nothing.
 */

import { stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Problem } from '../../core/values/problem.ts'
import { canonicalJson } from '../../core/model/service.ts'
import type { ImageSource, Project, Route, Service, SourceFolder } from '../../core/model/service.ts'
import { BuildContextFault, digestBuildContext, listBuildContext } from '../../image-build/build-context.ts'
import type { ReadRelease, SourceAnswer, SourceRequest } from '../../ports/runtime/source.ts'
import type { CertificateFault, CertificatePair } from './certificate.ts'
import { namesFiles } from './names-files.ts'

export type ReadFiles =
  | {
      readonly ok: true
      readonly project: Project
      readonly warnings: readonly string[]
      readonly releases: readonly ReadRelease[]
    }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export interface ReadFilesOptions {
  /** The config as plain data: it tells whether a service's route is one or several. */
  readonly written: unknown
  readonly nowMs: number
  /** The config itself. */
  readonly file: string
  readonly readSource?: (request: SourceRequest) => Promise<SourceAnswer>
}

export async function readFiles(project: Project, options: ReadFilesOptions): Promise<ReadFiles> {
  const reader = new FileReader(options)
  const services: Service[] = []
  for (const service of project.services) services.push(namesFiles(service) ? await reader.read(service) : service)
  await reader.readAuthority(project.balancer.acme?.caFile ?? null)
  const { problems, warnings } = reader
  if (problems.length > 0) return { ok: false, problems }
  return { ok: true, project: { ...project, services }, warnings: [...warnings], releases: reader.releases() }
}

class FileReader {
  readonly problems: Problem[] = []
  readonly warnings = new Set<string>()
  readonly #options: ReadFilesOptions
  /** Services often share a certificate, or an image. */
  readonly #certificates = new Map<string, CertificatePair | CertificateFault>()
  readonly #images = new Map<string, { readonly digest: string } | { readonly fault: string }>()
  readonly #sources = new Map<string, SourceAnswer>()

  constructor(options: ReadFilesOptions) {
    this.#options = options
  }

  async read(service: Service): Promise<Service> {
    const routes: Route[] = []
    for (const [index, route] of service.routes.entries()) routes.push(await this.#readRoute(service, route, index))
    const { runs } = service
    const environment = service.envFile.length === 0 ? service.environment : await this.#readEnvironment(service)
    if (runs.kind === 'process') {
      const source = runs.source === null ? null : await this.#readSource(service, runs.source)
      return { ...service, environment, routes, runs: { ...runs, source } }
    }
    const image = runs.image.from === 'registry' ? runs.image : await this.#readImage(service, runs.image)
    return { ...service, environment, routes, runs: { ...runs, image } }
  }

  /** Each once, however many services share it. */
  releases(): readonly ReadRelease[] {
    const answers = [...this.#sources.values()]
    return [
      ...new Map(answers.flatMap((answer) => ('release' in answer ? [[answer.release.digest, answer.release]] : []))).values(),
    ]
  }

  async #readEnvironment(service: Service): Promise<Service['environment']> {
    const { readEnvironmentFiles } = await import('./env-file.ts')
    const answer = await readEnvironmentFiles(service, dirname(this.#options.file))
    for (const warning of answer.warnings) this.warnings.add(warning)
    for (const { message, allowed } of answer.faults)
      this.problems.push({
        code: 'E_CONFIG_ENV_FILE',
        path: ['services', service.name, 'envFile'],
        message,
        allowed,
        suggestion: null,
      })
    return answer.environment
  }

  async #readSource(service: Service, source: SourceFolder): Promise<SourceFolder> {
    const { file, readSource } = this.#options
    if (readSource === undefined) return source
    const folder = resolve(dirname(file), source.path)
    const key = canonicalJson([folder, source.ignore])
    const answer =
      this.#sources.get(key) ?? (await readSource({ folder, ignore: source.ignore, root: dirname(file), except: [file] }))
    this.#sources.set(key, answer)
    if ('release' in answer) return { ...source, digest: answer.release.digest }
    const path = ['services', service.name, 'source']
    for (const { code, message, allowed } of answer.faults) this.problems.push({ code, path, message, allowed, suggestion: null })
    return source
  }

  /** The authority of an ACME server of one's own. */
  async readAuthority(file: string | null): Promise<void> {
    if (file === null) return
    const { readAuthorities } = await import('./certificate.ts')
    const fault = await readAuthorities(file)
    if (fault !== null) this.#refuseCertificate(fault, ['balancer', 'acme', 'caFile'])
  }

  async #readRoute(service: Service, route: Route, index: number): Promise<Route> {
    const { tls, to } = route
    if (tls.kind !== 'files') return route
    const path = ['services', service.name, 'route', ...(this.#hasSeveral(service) ? [String(index)] : []), 'tls']
    const { readCertificate, explainDomain, explainEnd } = await import('./certificate.ts')
    const key = canonicalJson([tls.certificate, tls.key])
    const read = this.#certificates.get(key) ?? (await readCertificate(tls, this.#options.nowMs))
    this.#certificates.set(key, read)
    if ('code' in read) {
      this.#refuseCertificate(read, [...path, read.about])
      return route
    }
    const [own] = read.chain
    const fault = to.kind === 'domain' && own !== undefined ? explainDomain(own, to.domain, tls.certificate) : null
    if (fault !== null) this.#refuseCertificate(fault, [...path, 'certificate'])
    const warning = explainEnd(read.chain, tls.certificate, this.#options.nowMs)
    if (warning !== null) this.warnings.add(warning)
    return { ...route, tls: { ...tls, digest: read.digest } }
  }

  async #readImage(service: Service, image: ImageSource): Promise<ImageSource> {
    if (image.from === 'registry') return image
    const key = canonicalJson(image)
    const read = this.#images.get(key) ?? (await (image.from === 'archive' ? readArchive(image.path) : readFolder(image)))
    this.#images.set(key, read)
    if ('digest' in read) return { ...image, digest: read.digest }
    const isArchive = image.from === 'archive'
    this.problems.push({
      code: isArchive ? 'E_IMAGE_ARCHIVE' : 'E_IMAGE_BUILD',
      path: ['services', service.name, 'image', isArchive ? 'archive' : 'build'],
      message: read.fault,
      allowed: isArchive ? 'a file made by docker save, or an OCI layout in a tar file; plain, gzip or zstd' : null,
      suggestion: null,
    })
    return image
  }

  #refuseCertificate({ code, message, allowed }: CertificateFault, path: readonly string[]): void {
    this.problems.push({ code, path, message, allowed, suggestion: null })
  }

  #hasSeveral({ name }: Service): boolean {
    const { services } = this.#options.written as { readonly services: Readonly<Record<string, { readonly route?: unknown }>> }
    return Array.isArray(services[name]?.route)
  }
}

type Answer = { readonly digest: string } | { readonly fault: string }

async function readArchive(path: string): Promise<Answer> {
  const what = `the image archive ${path}`
  try {
    if (!(await stat(path)).isFile()) return { fault: `${what} is no file` }
    const { readImageArchive } = await import('./image-archive.ts')
    const answer = await readImageArchive(path)
    return 'fault' in answer ? { fault: `${what} ${answer.fault}` } : answer
  } catch (error) {
    return { fault: `${what} ${whyUnreadable(error)}` }
  }
}

async function readFolder(image: Extract<ImageSource, { readonly from: 'build' }>): Promise<Answer> {
  const { context, file } = image
  const what = `the folder ${context}`
  try {
    if (!(await stat(context)).isDirectory()) return { fault: `${what} is no folder` }
    const dockerfile = await stat(join(context, file)).catch(() => null)
    if (dockerfile?.isFile() !== true) return { fault: `${what} has no ${file}, by which the image would be built` }
    return { digest: await digestBuildContext(context, await listBuildContext(context, file)) }
  } catch (error) {
    return { fault: `${what} ${error instanceof BuildContextFault ? error.message : whyUnreadable(error)}` }
  }
}

function whyUnreadable(error: unknown): string {
  const { code, path } = error as NodeJS.ErrnoException
  if (code === undefined) throw error
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'does not exist'
  const where = path === undefined ? '' : `: ${path}`
  return code === 'EACCES' ? `cannot be read (permission denied${where})` : `cannot be read (${code}${where})`
}
