/** The options of file upload. */

import { integer, type Options, option, type ValuesOf } from '../../server/module/api.ts'

export const uploadConfig = {
  fileMaxBytes: option(
    integer(52_428_800, 1_024, 1_099_511_627_776),
    'largest file; larger: not-acceptable with file-too-large, told as max-file-size',
  ),
  accountMaxBytes: option(
    integer(1_073_741_824, 1_024, 1_099_511_627_776),
    'what the files of one account take together, slots included; more: resource-constraint with retry',
  ),
  accountMaxFiles: option(
    integer(1_000, 1, 1_000_000),
    'files of one account, slots included; more: resource-constraint',
  ),
  totalMaxBytes: option(
    integer(10_737_418_240, 1_024, 1_125_899_906_842_624),
    'what all files take together, slots included; more: resource-constraint',
  ),
  uploadsMax: option(integer(100, 1, 100_000), 'files being received at a time; more: 503'),
  slotSeconds: option(integer(300, 1, 86_400), 'time in which a slot must be used'),
  expireSeconds: option(integer(2_592_000, 1, 315_360_000), 'time for which a file is kept'),
  sweepSeconds: option(integer(60, 1, 86_400), 'time between two removals of what has expired'),
} satisfies Options

export type UploadConfig = ValuesOf<typeof uploadConfig>
