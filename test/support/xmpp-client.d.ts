/** The part of @xmpp/client that the conformance tests use; the package ships no types. */
declare module '@xmpp/client' {
  export interface XmlElement {
    readonly attrs: Readonly<Record<string, string>>
    is(name: string): boolean
    getChild(name: string, xmlns?: string): XmlElement | undefined
    getChildren(name: string): XmlElement[]
    getChildText(name: string): string | null
  }
  export interface XmppJid {
    bare(): XmppJid
    toString(): string
  }
  export interface XmppClient {
    readonly fast: {
      saveToken: (token: unknown) => Promise<void>
      fetchToken: () => Promise<unknown>
      deleteToken: () => Promise<void>
    }
    readonly reconnect: { delay: number; stop(): void }
    readonly streamManagement: { readonly enabled: boolean; on(event: 'resumed', listener: () => void): void }
    readonly iqCaller: {
      get(payload: XmlElement, to?: string): Promise<XmlElement>
      set(payload: XmlElement, to?: string): Promise<XmlElement>
      request(iq: XmlElement): Promise<XmlElement>
    }
    on(event: 'error', listener: (error: Error) => void): void
    on(event: 'online', listener: (address: XmppJid) => void): void
    on(event: 'stanza', listener: (stanza: XmlElement) => void): void
    start(): Promise<XmppJid>
    write(text: string): Promise<void>
    stop(): Promise<void>
    send(stanza: XmlElement): Promise<void>
  }
  export function client(options: Readonly<Record<string, string | XmlElement>>): XmppClient
  export function xml(
    name: string,
    attrs?: string | Readonly<Record<string, string>>,
    ...children: (XmlElement | string)[]
  ): XmlElement
}
