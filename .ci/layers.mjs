/**
 * The layers of lib/, as rules for dependency-cruiser. An import, of a value or of a type alone, goes to a strictly
 * lower layer or stays in its own folder.
 */

/** Top to bottom; folders in one row do not know each other. Files right in lib/ lie below them all. */
const layers = [
  ['sources', 'metrics', 'testing'],
  ['server'],
  ['flow'],
  ['handler'],
  // One layer by its place in the data's way, but requests are made of readers and writers: bytes lies just below.
  ['accept'],
  ['bytes'],
  ['iterator']
]

const vocabulary = '^lib/(?!index[.])[^/]+[.]ts$'
const inside = (folder) => `^lib/${folder}/`

const folderRules = layers.flatMap((row, depth) =>
  row.map((folder) => ({
    name: `layer-${folder}`,
    comment: `lib/${folder}/ may import its own files and those of lower layers; the table is in .ci/layers.mjs.`,
    severity: 'error',
    from: { path: inside(folder) },
    to: {
      path: '^(lib|spec|bench)/',
      pathNot: [
        inside(folder),
        ...layers
          .slice(depth + 1)
          .flat()
          .map(inside),
        vocabulary
      ]
    }
  }))
)

const sockets = ['net', 'tls', 'dgram']
const places = `^lib/(cli|${layers.flat().join('|')})/`
const vague = '^lib/.+/(util|utils|helper|helpers|common|constants|index)[.]ts$'

const forbidden = [
  ...folderRules,
  {
    name: 'layer-vocabulary',
    comment: 'Files right in lib/ lie below every folder; only lib/index.ts is above them all, and lib/cli/, its user.',
    severity: 'error',
    from: { path: vocabulary },
    to: { path: '^(lib/[^/]+/|lib/index[.]ts$|spec/|bench/)' }
  },
  {
    name: 'cli-is-a-user',
    comment: 'The command uses what users have: the public face, and its own files.',
    severity: 'error',
    from: { path: inside('cli') },
    to: { path: '^(lib|spec|bench)/', pathNot: [inside('cli'), '^lib/index[.]ts$'] }
  },
  {
    name: 'nothing-under-the-cli',
    comment: 'Nothing in the library knows its command.',
    severity: 'error',
    from: { path: '^lib/', pathNot: inside('cli') },
    to: { path: inside('cli') }
  },
  {
    name: 'own-files-by-path',
    comment: 'lib/ does not import itself by the name of the package: import the file that holds the thing.',
    severity: 'error',
    from: { path: '^lib/' },
    to: { path: '^dist/|^it-socketserver(/|$)' }
  },
  {
    name: 'no-cycle',
    comment: 'Files that import each other, types included, are one file or need a third.',
    severity: 'error',
    from: {},
    to: { circular: true }
  },
  {
    name: 'sockets-in-accept',
    comment: 'node:net, node:tls, node:dgram and koffi are known to lib/accept/ alone, their types too.',
    severity: 'error',
    from: { path: '^lib/', pathNot: inside('accept') },
    to: { path: `^(node:)?(${sockets.join('|')})$|^koffi(/|$)|(^|/)node_modules/koffi/` }
  },
  {
    name: 'loaded-when-used',
    comment: 'Most programs need none of these, and an import takes a megabyte of heap: process.getBuiltinModule().',
    severity: 'error',
    from: { path: '^lib/', pathNot: [inside('cli'), inside('testing')] },
    to: {
      path: '^(node:)?(child_process|cluster|crypto|dns|dns/promises|stream/web|timers/promises|tls)$',
      dependencyTypesNot: ['type-only'],
      exoticallyRequired: false
    }
  },
  {
    name: 'only-what-users-install',
    comment: 'lib/ imports Node and the dependencies of package.json, nothing else.',
    severity: 'error',
    from: { path: '^lib/' },
    to: {
      dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'deprecated', 'undetermined', 'unknown'],
      dependencyTypesNot: ['npm', 'npm-optional', 'npm-peer', 'core']
    }
  },
  {
    name: 'can-be-resolved',
    comment: 'The import leads nowhere.',
    severity: 'error',
    from: {},
    to: { couldNotResolve: true }
  },
  // A file that neither imports nor is imported is found by knip.
  ...['from', 'to'].flatMap((side) => [
    {
      name: `a-place-for-every-file-${side}`,
      comment: 'A file is in lib/, in a folder of .ci/layers.mjs, or one level below that.',
      severity: 'error',
      from: {},
      to: {},
      [side]: { path: '^lib/', pathNot: ['^lib/[^/]+$', `${places}[^/]+$`, `${places}[^/]+/[^/]+$`] }
    },
    {
      name: `a-name-that-says-something-${side}`,
      comment: 'No utils, helpers, common or constants, no index inside folders: one concept a file, named after it.',
      severity: 'error',
      from: {},
      to: {},
      [side]: { path: vague }
    }
  ])
]

export default {
  forbidden,
  options: {
    // Types count: TypeScript's parser, before it drops what only types need.
    parser: 'tsc',
    tsPreCompilationDeps: true,
    exoticRequireStrings: ['process.getBuiltinModule'],
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.build.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'default'] }
  }
}
