/** Whose registry an image comes from: to nobody else are its credentials shown. */

const dockerHub = 'https://index.docker.io/v1/'

/** The part of an image's name before the first slash where it can be a host's name; else Docker's own registry. */
export function registryOf(name: string): string {
  const [first = '', ...rest] = name.split('/')
  return rest.length > 0 && (/[.:]/.test(first) || first === 'localhost') ? first : dockerHub
}

/**
 * For whom a build's credentials are: the first registry that a `FROM` of its Dockerfile names, Docker's own where none does. A name that a
 * variable makes is not known before the engine builds.
 */
export function registryOfBuild(dockerfile: string): string {
  const images = [...dockerfile.matchAll(/^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S+)/gim)].map(([, image = '']) => image)
  const hosts = images.filter((image) => !image.includes('$')).map(registryOf)
  return hosts.find((host) => host !== dockerHub) ?? dockerHub
}
