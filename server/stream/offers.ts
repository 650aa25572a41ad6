/** What the streams of one listener offer to log in with. Those that are alike share one offer, with its text. */

import { advertisedTypes, type ChannelBinding } from '../auth/channel-binding.ts'
import { loginFeatures } from './features.ts'
import { type Mechanism, makeOffer, type Offer } from './mechanisms.ts'
import { authenticationFeature, type InlineFeatures } from './sasl2.ts'
import { type Upgrades, wantedUpgrades } from './upgrade.ts'

export interface OffersOptions {
  /** That the listener allows. */
  readonly mechanisms: readonly Mechanism[]
  /** What can be negotiated inside a SASL2 login. */
  readonly inline: InlineFeatures
  /** There is FAST. */
  readonly hasTokens: boolean
  /** Left out: nothing is ever upgraded. */
  readonly upgrades: Upgrades | undefined
}

export interface AdvertisedOffer extends Offer {
  /** The children of `<stream:features/>` that tell of it. */
  readonly features: string
}

export class Offers {
  readonly #options: OffersOptions
  /** A few: by what connections differ in, and by the upgrades that are wanted. */
  readonly #known = new Map<string, AdvertisedOffer>()

  constructor(options: OffersOptions) {
    this.#options = options
  }

  /**
   * @param isSecure  TLS is in force
   * @param bindings  what the stream can be bound to
   * @param hasIdentity  the client's certificate stands for an account
   */
  of(isSecure: boolean, bindings: readonly ChannelBinding[], hasIdentity: boolean): AdvertisedOffer {
    const types = advertisedTypes(bindings)
    const upgrades = wantedUpgrades(this.#options.upgrades)
    const kind = `${isSecure} ${hasIdentity} ${types.join()} ${upgrades.join()}`
    let known = this.#known.get(kind)
    if (!known) {
      const { mechanisms, inline, hasTokens } = this.#options
      const offer = makeOffer(mechanisms, isSecure, types, hasIdentity)
      const authentication = authenticationFeature(offer, inline, hasTokens, upgrades)
      known = { ...offer, features: loginFeatures(offer, authentication) }
      this.#known.set(kind, known)
    }
    return known
  }
}
