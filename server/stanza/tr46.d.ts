/** Types of tr46, which has none of its own: UTS #46 processing of domain names. */
declare module 'tr46' {
  interface Options {
    readonly checkHyphens?: boolean
    readonly checkBidi?: boolean
    readonly checkJoiners?: boolean
    readonly useSTD3ASCIIRules?: boolean
    readonly transitionalProcessing?: boolean
    readonly ignoreInvalidPunycode?: boolean
  }
  const tr46: {
    /** Null when the name is not valid. */
    toASCII(domain: string, options: Options & { readonly verifyDNSLength?: boolean }): string | null
    toUnicode(domain: string, options: Options): { readonly domain: string; readonly error: boolean }
  }
  export = tr46
}
