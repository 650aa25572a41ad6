/** The part of node-forge that is used: the whole, with its ciphers and its TLS, is thirty times as much to load. */
declare module 'node-forge/lib/asn1.js' {
  import { asn1 } from 'node-forge'
  export = asn1
}
