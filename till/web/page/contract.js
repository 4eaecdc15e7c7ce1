/**
 * What the node and the page say to each other, as types. The paper is
 * docs/design/0002-till.md; this file has no code.
 *
 * Amounts are integers in minor units, quantities in millionths, unit prices in
 * millionths of a major unit, rates in thousandths of a percent, times RFC 3339.
 *
 * @typedef {"invalid"|"refused"|"forbidden"|"approval"|"unauthenticated"|"locked"|"conflict"|"notFound"|"unavailable"|"internal"} Kind
 * @typedef {{kind: Kind, code: string, text: string, hint?: string, roles?: string[]}} Fault
 * @typedef {{person: string, pin: string}} Approval
 *
 * @typedef {{code: string, rate: string}} ForeignCurrency
 * @typedef {{
 *   name: string, country: string, currency: string, exponent: number, language: string, languages: string[], zone?: string,
 *   cashRounding: number, tenders: string[], currencies: ForeignCurrency[], quickCash: number[], denominations: number[],
 * }} Shop
 * @typedef {{person: {id: string, name: string, role: string}, locked: boolean, may: Record<string, "yes"|"approval"|"no">}} Session
 * @typedef {{
 *   no: number, sku: string, name: string, quantity: number, unit: string, unitPrice: number, gross: number,
 *   discount: number, discountReason: string, letter: string, rate: number, note: string,
 * }} Line
 * @typedef {{no: number, amount: number, reason: string}} Discount
 * @typedef {{letter: string, rate: number, net: number, tax: number, gross: number}} TaxLine
 * @typedef {{no: number, type: string, amount: number, currency: string}} Tender
 * @typedef {{no: number, name: string, quantity: number, returnable: number, unit: string, unitPrice: number, gross: number}} OriginalLine
 * @typedef {{number: number, at: string, lines: OriginalLine[]}} Original
 * @typedef {{
 *   id: string, mode: "sale"|"return"|"training", startedAt: string, lines: Line[], discounts: Discount[], taxes: TaxLine[],
 *   total: number, rounding: number, tenders: Tender[], paid: number, due: number, dueCash?: number, change: number, original: Original|null,
 * }} Basket
 * @typedef {{id: string, label: string, lines: number, total: number, at: string}} Suspended
 * @typedef {{name: string, kind: string, state: "ready"|"attention"|"down", code: string, text: string}} Device
 * @typedef {{id: string, level: "info"|"warn"|"error", code: string, text: string, hint?: string}} Notice
 * @typedef {{index: number, number: number, total: number, change: number, code: string, printed: "yes"|"no"|"unknown"|"pending", dispensed?: "yes"|"no"|"pending"}} LastReceipt
 * @typedef {{intent: number, amount: number, state: "paying"|"take"|"reading"|"unreached"|"unknown", decide: boolean}} Dispense
 * @typedef {{
 *   identity: string, counter: number, digest: string, legal: boolean, consent: string, stage: string, bytes: number, total: number,
 *   deadline?: string, overdue: boolean, urgent: boolean, waiting: ""|"consent"|"spend"|"sale"|"day"|"data"|"authorisation"|"clock"|"other",
 *   detail: string, spend: number, mayDecide: boolean, agreed: boolean, later?: string, of?: string,
 * }} Update
 * @typedef {{identity: string, from: string, outcome: "kept"|"fallen-back"|"rejected"|"blocked", time: string, detail: string, index?: number, of?: string}} Outcome
 * @typedef {{by: string, reason: string, deadline?: string, action: "warn"|"block", blocks: boolean, of?: string}} Withdrawal
 * @typedef {{time: string, running: boolean, outcome: ""|"none"|"offered"|"failed", detail: string}} Asked
 * @typedef {{
 *   identity: string, version: string, counter: number, slot: string, trial: boolean, update: Update|null, last: Outcome|null,
 *   withdrawn: Withdrawal[], freshness: {warn: string, stopSelling: boolean}, managed: boolean,
 *   asked: Asked|null, stopped: ""|"software-changing"|"software-blocked"|"software-stale",
 *   platform?: {identity: string, counter: number}|null,
 * }} Software
 * @typedef {{
 *   version: number, setup: "done"|"needed", shop: Shop, session: Session|null, training: boolean, basket: Basket|null|undefined,
 *   suspended: Suspended[], drawer: {session: "open"|"closed", since: string|null, physicallyOpen: boolean, counted: boolean},
 *   day: {zNumber: number, receipts: number}, devices: Device[], notices: Notice[], lastReceipt: LastReceipt|null, dispense?: Dispense|null,
 *   journal: {size: number, signed: number, verified: number, verifying: boolean, searched?: number, signer: "ok"|"down", origin: string},
 *   clock: {now: string, unsure: boolean}, software?: Software|null, countries?: CountryRules[], ended?: string|null,
 * }} State
 * @typedef {{class: string, letter: string, rate: number, from: string, ended?: boolean}} TaxRule
 * @typedef {{country: string, currency: string, rates: TaxRule[], cashStep: number, optional: boolean}} CountryRules
 *
 * @typedef {{sku: string, name: string, group: string, unit: string, unitPrice: number, open: boolean, letter: string, code: string}} Article
 * @typedef {{id: string, name: string, articles: number}} Group
 * @typedef {{articles: Article[], groups: Group[], more: boolean}} Articles
 * @typedef {{number: number, index: number, at: string, kind: string, total: number, who: string, voided: boolean}} ReceiptRow
 * @typedef {ReceiptRow & {text: string, code: string, svg: string, printed: string, original: Original|null, document: unknown}} Receipt
 * @typedef {{index: number, time: string, kind: string, who: string, words: string, number: number, amount: number}} EntryRow
 * @typedef {{label: string, value: string}} Fact
 * @typedef {EntryRow & {facts: Fact[], head: unknown, body: unknown, leaf: string}} Entry
 * @typedef {{hash: string, side: "left"|"right", node: string}} Step
 * @typedef {{
 *   index: number, size: number, origin: string, leaf: string, root: string, steps: Step[], checkpoint: string, proof: string,
 *   signatures: {name: string, key: string}[], holds: boolean,
 * }} Proof
 * @typedef {{number: number, at: string, text: string, figures: {label: string, amount: number}[]}} Report
 * @typedef {{id: string, name: string, role: string, active: boolean}} Person
 * @typedef {{
 *   index: number, time: string, kind: "software-start"|"software-change"|"software-stage"|"software-consent", stage?: string, outcome?: string,
 *   at?: string, identity?: string, digest?: string, version?: string, from?: string, slot?: string, trial?: boolean, certificate?: string, approved?: string,
 *   signers?: string[], who?: string, policy?: boolean, detail?: string, for?: "install"|"spend", agreed?: boolean, until?: string, text?: string, consent?: number,
 * }} SoftwareRow
 * @typedef {{holds: boolean, words: string, hint: string, facts: Fact[]}} Checked
 */
export {};
