/** A config as a person would have written it: constants for what is shared, no defaults, a comment where a choice was made. */

import { field, literal, propertyName } from './literal.ts'
import type { Proposed } from './settle.ts'
import { isAbout, shareValues } from './share.ts'

export interface ConfigText {
  readonly name: string
  readonly services: readonly Proposed[]
  /** Where it began: `compose.yaml`. */
  readonly origin: string
  /** The path of `.env` from the config, where the config needs what is in it. */
  readonly dotenv: string | null
  /** What people called the things that they share, each with its keys. */
  readonly anchors: ReadonlyMap<string, readonly string[]>
}

export function renderConfig(config: ConfigText): string {
  const { constants, services, variables } = shareValues(config.services, config.anchors)
  const body = services.flatMap((service, index) => [...(index === 0 ? [] : ['']), ...renderService(service, variables)])
  const above = constants.flatMap(({ name, source, remark }) => [
    ...(remark === null ? [] : [`// ${oneLine(remark)}`]),
    `const ${name} = ${source}`,
  ])
  const usesSecret = [...above, ...body].some((line) => /\bsecret(?:\.file|\.command)?\(/.test(line))
  const dotenv =
    config.dotenv === null
      ? []
      : [
          '// Compose reads .env automatically. The variables of the shell win, here as there.',
          `process.loadEnvFile(new URL(${literal(config.dotenv, 0)}, import.meta.url))`,
          '',
        ]
  const lines = [
    `// Began as ${oneLine(config.origin)}, by daruma import.`,
    `import { define${usesSecret ? ', secret' : ''} } from 'daruma'`,
    '',
    ...dotenv,
    ...above,
    ...(above.length === 0 ? [] : ['']),
    'export default define({',
    `  name: ${literal(config.name, 1)},`,
    '  services: {',
    ...body,
    '  },',
    '})',
  ]
  return `${lines.join('\n')}\n`
}

function renderService({ name, written, remarks }: Proposed, variables: ReadonlyMap<string, string>): readonly string[] {
  const fields = Object.entries(written).flatMap(([key, value]) => {
    const own = Object.entries(remarks).filter(([where]) => isAbout(where, key))
    return [
      ...[...new Set(own.map(([, remark]) => remark))].map((remark) => `      // ${oneLine(remark)}`),
      `      ${field(key, literal(value, 3, variables))},`,
    ]
  })
  return [`    ${propertyName(name)}: {`, ...fields, '    },']
}

/** Other people's text: a line break would end the comment, an escape would reach the terminal. */
const oneLine = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
