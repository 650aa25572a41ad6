/** What is wrong with a certificate or key, and what its owner can do. */

export class CertificateError extends Error {
  override readonly name = 'CertificateError'
  /** What to do, in a sentence or two. */
  readonly remedy: string

  constructor(text: string, remedy: string, options?: { cause?: unknown }) {
    super(text, options)
    this.remedy = remedy
  }
}
