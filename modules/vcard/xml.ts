/** Names of the vCard's world. XEP-0054. */

export const NS_VCARD = 'vcard-temp'
