// What a person at the device can mend: said without a trace of the stack.

export class Refused extends Error {}
