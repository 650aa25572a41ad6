/** The options of file upload. */

import { z } from 'zod'

const whole = (fallback: number, min: number, max: number, text: string) =>
  z.coerce.number().int().min(min).max(max).default(fallback).describe(text)

export const uploadConfig = z.object({
  fileMaxBytes: whole(
    52_428_800,
    1_024,
    1_099_511_627_776,
    'largest file; larger: not-acceptable with file-too-large, told as max-file-size',
  ),
  accountMaxBytes: whole(
    1_073_741_824,
    1_024,
    1_099_511_627_776,
    'what the files of one account take together, slots included; more: resource-constraint with retry',
  ),
  accountMaxFiles: whole(1_000, 1, 1_000_000, 'files of one account, slots included; more: resource-constraint'),
  totalMaxBytes: whole(
    10_737_418_240,
    1_024,
    1_125_899_906_842_624,
    'what all files take together, slots included; more: resource-constraint',
  ),
  uploadsMax: whole(100, 1, 100_000, 'files being received at a time; more: 503'),
  slotSeconds: whole(300, 1, 86_400, 'time in which a slot must be used'),
  expireSeconds: whole(2_592_000, 1, 315_360_000, 'time for which a file is kept'),
  sweepSeconds: whole(60, 1, 86_400, 'time between two removals of what has expired'),
})

export type UploadConfig = z.output<typeof uploadConfig>
