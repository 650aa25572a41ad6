/** The program's version, from package.json; esbuild carries it into the bundle. */

import packageJson from '../package.json' with { type: 'json' }

export const VERSION: string = packageJson.version
