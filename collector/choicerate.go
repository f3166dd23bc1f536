package collector

import (
	"assent/consent"
	"assent/rate"
)

// choiceTokenBytes is the length of a choice that costs a token. Each choice is
// kept for good, as evidence, so floods of them are held back by bytes as well.
const choiceTokenBytes = 1 << 10

// chargeChoice holds the choices of one client address to a rate. A bucket has as
// much again in reserve for those that only deny: withdrawing must be as easy as
// giving (GDPR, Article 7(3)), also where somebody at the same address floods it with
// grants. A server that showed its token speaks for many from one address, and so does
// whatever runs on this machine: a proxy that does not say for whom, above all.
func (c *Collector) chargeChoice(x *exchange, choice *consent.Choice) *RequestError {
	from := c.sender(x)
	if x.proven || from.IsLoopback() {
		return nil
	}
	limit := c.choiceRate
	if onlyDenies(choice) {
		limit = limit.Doubled()
	}
	n := max(1, (len(x.req.Body)+choiceTokenBytes-1)/choiceTokenBytes)
	x.ans.wait = c.choosers.Pay(from, limit, c.instant(x.req.Received), &rate.Bill{}, n)
	return x.waits()
}

// onlyDenies reports whether a choice takes something away and gives nothing.
func onlyDenies(choice *consent.Choice) bool {
	denies := choice.All == consent.Denied
	for _, status := range choice.Purposes {
		if status != consent.Denied {
			return false
		}
		denies = true
	}
	return denies && choice.All != consent.Granted
}
