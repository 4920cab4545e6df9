import assert from 'node:assert/strict'
import test from 'node:test'
import { folder, importFrom, place } from '../../test/support/compose-bed.ts'
import { renderProblems } from '../core/config/render-problems.ts'

/** Each Compose file and the whole message that it gets. */
const bad: Readonly<Record<string, { readonly files: Readonly<Record<string, string>>; readonly says: string }>> = {
  'YAML that is none': {
    files: { 'compose.yaml': 'services:\n  web:\n    image: [a\n' },
    says: 'compose.yaml:4:1  not YAML: Flow sequence in block collection must be sufficiently indented and end with a ] [E_COMPOSE_SYNTAX]\n  4 | \n    | ^',
  },
  'a tab': {
    files: { 'compose.yaml': 'services:\n\tweb: { image: a }\n' },
    says: 'compose.yaml:2:1  not YAML: Tabs are not allowed as indentation [E_COMPOSE_SYNTAX]\n  2 |   web: { image: a }\n    | ^',
  },
  'a key twice': {
    files: { 'compose.yaml': 'services:\n  web: { image: a }\n  web: { image: b }\n' },
    says: 'compose.yaml:3:3  not YAML: Map keys must be unique [E_COMPOSE_SYNTAX]\n  3 |   web: { image: b }\n    |   ^',
  },
  'an anchor that is not there': {
    files: { 'compose.yaml': 'services:\n  web:\n    <<: *base\n    image: a\n' },
    says: 'compose.yaml:3:9  services.web["<<"]  there is no anchor &base [E_COMPOSE_SYNTAX]\n  3 |     <<: *base\n    |         ^',
  },
  'nothing in it': {
    files: { 'compose.yaml': '# nothing\n' },
    says: 'compose.yaml:1:1  the file is empty [E_COMPOSE_EMPTY]\n  1 | # nothing\n    | ^\n  allowed: services: …',
  },
  'no services': {
    files: { 'compose.yaml': 'version: "3"\n' },
    says: 'compose.yaml:1:1  services  the file has no services [E_COMPOSE_EMPTY]\n  1 | version: "3"\n    | ^\n  allowed: services: { web: { image: … } }',
  },
  'wrong types, all at once': {
    files: {
      'compose.yaml':
        'services:\n  web:\n    image: a\n    ports: 80\n    environment: 5\n    command: { a: 1 }\n    read_only: maybe\n',
    },
    says: [
      'compose.yaml:6:14  services.web.command  { a: 1 } is not accepted here [E_COMPOSE_TYPE]\n  6 |     command: { a: 1 }\n    |              ^\n  allowed: a command line, or a list of words',
      "compose.yaml:7:16  services.web.read_only  'maybe' is not accepted here [E_COMPOSE_TYPE]\n  7 |     read_only: maybe\n    |                ^\n  allowed: true or false",
      'compose.yaml:5:18  services.web.environment  5 is not accepted here [E_COMPOSE_TYPE]\n  5 |     environment: 5\n    |                  ^\n  allowed: a mapping',
      'compose.yaml:4:12  services.web.ports  80 is not accepted here [E_COMPOSE_TYPE]\n  4 |     ports: 80\n    |            ^\n  allowed: a list',
    ].join('\n\n'),
  },
  'a port that is none': {
    files: { 'compose.yaml': 'services:\n  web:\n    image: a\n    ports: ["80:http"]\n' },
    says: "compose.yaml:4:13  services.web.ports[0]  '80:http' is not accepted here [E_COMPOSE_VALUE]\n  4 |     ports: [\"80:http\"]\n    |             ^\n  allowed: a port such as '8080:80', '127.0.0.1:8080:80/tcp', or { target, published }",
  },
  'a service that is not there': {
    files: { 'compose.yaml': 'services:\n  web: { image: a, depends_on: [databse] }\n  database: { image: b }\n' },
    says: 'compose.yaml:2:33  services.web.depends_on  there is no service databse [E_COMPOSE_UNKNOWN_SERVICE]\n  2 |   web: { image: a, depends_on: [databse] }\n    |                                 ^\n  allowed: database\n  did you mean database?',
  },
  'a condition that is none': {
    files: {
      'compose.yaml': 'services:\n  web: { image: a, depends_on: { db: { condition: service_healty } } }\n  db: { image: b }\n',
    },
    says: "compose.yaml:2:51  services.web.depends_on.db.condition  'service_healty' is not accepted here [E_COMPOSE_VALUE]\n  2 |   web: { image: a, depends_on: { db: { condition: service_healty } } }\n    |                                                   ^\n  allowed: service_started, service_healthy, service_completed_successfully\n  did you mean service_healthy?",
  },
  'a circle': {
    files: {
      'compose.yaml':
        'services:\n  a: { image: a, depends_on: [b] }\n  b: { image: b, depends_on: [c] }\n  c:\n    image: c\n    depends_on:\n      - a\n',
    },
    says: 'compose.yaml:7:9  services.c.depends_on  a → b → c → a: each waits for the next [E_COMPOSE_CYCLE]\n  7 |       - a\n    |         ^\n  allowed: an order that begins somewhere',
  },
  'a service that extends itself': {
    files: { 'compose.yaml': 'services:\n  a: { extends: b }\n  b: { extends: { service: a } }\n' },
    says: [
      'compose.yaml:2:17  services.a.extends  a extends itself [E_COMPOSE_CYCLE]\n  2 |   a: { extends: b }\n    |                 ^',
      'compose.yaml:3:17  services.b.extends  b extends itself [E_COMPOSE_CYCLE]\n  3 |   b: { extends: { service: a } }\n    |                 ^',
    ].join('\n\n'),
  },
  'a variable without a value': {
    files: { 'compose.yaml': 'services:\n  web: { image: "a:${TAG:?which one}", command: "$5" }\n' },
    says: [
      'compose.yaml:2:17  services.web.image  TAG has no value: which one [E_COMPOSE_VARIABLE]\n  2 |   web: { image: "a:${TAG:?which one}", command: "$5" }\n    |                 ^\n  allowed: TAG=… in the environment of this command, or in .env',
      'compose.yaml:2:49  services.web.command  a lone $ in "$5" [E_COMPOSE_VARIABLE]\n  2 |   web: { image: "a:${TAG:?which one}", command: "$5" }\n    |                                                 ^\n  allowed: $$ for a dollar sign',
    ].join('\n\n'),
  },
  'neither image nor build': {
    files: { 'compose.yaml': 'services:\n  web:\n    command: serve\n' },
    says: "compose.yaml:3:5  services.web  web has neither an image nor a build [E_COMPOSE_NO_IMAGE]\n  3 |     command: serve\n    |     ^\n  allowed: image: 'name:tag', or build: ./folder",
  },
  'a file of variables that is not there, or has another form': {
    files: {
      'compose.yaml': 'services:\n  web: { image: a, env_file: [./none.env, ./odd.env] }\n',
      'odd.env': 'FINE=1\n!!! what\nOPEN="never closed\n',
    },
    says: [
      'compose.yaml:2:31  there is no file ./none.env [E_COMPOSE_ENV_FILE]\n  2 |   web: { image: a, env_file: [./none.env, ./odd.env] }\n    |                               ^',
      'odd.env:2:1  "!!! what" is no assignment [E_COMPOSE_ENV_FILE]\n  2 | !!! what\n    | ^\n  allowed: NAME=value',
      'odd.env:3:1  the quotes of OPEN are not closed [E_COMPOSE_ENV_FILE]\n  3 | OPEN="never closed\n    | ^',
    ].join('\n\n'),
  },
  'an include that comes back': {
    files: {
      'compose.yaml': 'include: [other.yaml]\nservices: { a: { image: a } }\n',
      'other.yaml': 'include: [compose.yaml]\nservices: { b: { image: b } }\n',
    },
    says: 'other.yaml:1:11  include  ./compose.yaml includes itself [E_COMPOSE_CYCLE]\n  1 | include: [compose.yaml]\n    |           ^',
  },
}

for (const [name, { files, says }] of Object.entries(bad)) {
  test(`refused with its line: ${name}`, async (t) => {
    const directory = folder(t)
    place(directory, files)
    const answer = await importFrom(directory)
    assert.ok(!answer.ok, 'it was accepted')
    assert.equal(renderProblems(answer.problems).replaceAll(`${directory}/`, './').replaceAll(/^\.\//gm, ''), says)
  })
}
