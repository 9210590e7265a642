package simulator

import (
	"math"
	"math/rand/v2"
)

// poisson draws from a Poisson distribution: by multiplication for small means,
// by transformed rejection (Hörmann 1993, algorithm PTRS) for others.
type poisson struct {
	mean, b, a, inverse, accept, log float64
}

func newPoisson(mean float64) poisson {
	if mean < 10 {
		return poisson{mean: mean, inverse: math.Exp(-mean)}
	}
	b := 0.931 + 2.53*math.Sqrt(mean)
	return poisson{
		mean: mean, b: b, a: -0.059 + 0.02483*b,
		inverse: 1.1239 + 1.1328/(b-3.4), accept: 0.9277 - 3.6224/(b-2), log: math.Log(mean),
	}
}

func (p *poisson) next(random *rand.Rand) uint32 {
	if p.mean < 10 {
		k := uint32(0)
		for product := random.Float64(); product > p.inverse; product *= random.Float64() {
			k++
		}
		return k
	}
	for {
		u := random.Float64() - 0.5
		v := random.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*p.a/us+p.b)*u + p.mean + 0.43)
		if us >= 0.07 && v <= p.accept {
			return uint32(k)
		}
		if k < 0 || us < 0.013 && v > us {
			continue
		}
		factorial, _ := math.Lgamma(k + 1)
		if math.Log(v)+math.Log(p.inverse)-math.Log(p.a/(us*us)+p.b) <= k*p.log-p.mean-factorial {
			return uint32(k)
		}
	}
}
