package kernels

import "math"

func plainLayerNorm(rows, cols int, y *float32, ldy int, x *float32, ldx int, w, b, stats *float32, eps, inv float32) {
	wv, bv, st := vector(w, cols), vector(b, cols), vector(stats, 2*rows)
	for r := range rows {
		xv := row(x, r, ldx, cols)
		var sum, square float32
		for _, v := range xv {
			sum += v
		}
		mean := sum * inv
		for _, v := range xv {
			square += (v - mean) * (v - mean)
		}
		rstd := 1 / float32(math.Sqrt(float64(square*inv+eps)))
		st[2*r], st[2*r+1] = mean, rstd
		out := row(y, r, ldy, cols)
		for j, v := range xv {
			out[j] = (v-mean)*rstd*wv[j] + bv[j]
		}
	}
}

func plainLayerNormGrad(
	rows, cols int,
	dx *float32, lddx int,
	dy *float32, lddy int,
	x *float32, ldx int,
	add *float32, ldadd int,
	w, stats, dw, db *float32,
	inv float32,
) {
	wv, st, dwv, dbv := vector(w, cols), vector(stats, 2*rows), vector(dw, cols), vector(db, cols)
	for r := range rows {
		xv, g, out := row(x, r, ldx, cols), row(dy, r, lddy, cols), row(dx, r, lddx, cols)
		mean, rstd := st[2*r], st[2*r+1]
		var sum, dot float32
		for j, v := range g {
			sum += v * wv[j]
			dot += v * wv[j] * (xv[j] - mean) * rstd
		}
		sum, dot = sum*inv, dot*inv
		for j, v := range g {
			h := (xv[j] - mean) * rstd
			dbv[j] += v
			dwv[j] += v * h
			v = rstd * (v*wv[j] - sum - h*dot)
			if add != nil {
				v += row(add, r, ldadd, cols)[j]
			}
			out[j] = v
		}
	}
}

func plainSoftmaxRows(rows, cols int, x *float32, ldx int) {
	for r := range rows {
		v := row(x, r, ldx, cols)
		scale := 1 / plainExpSum(cols, &v[0], &v[0], plainVectorMax(cols, &v[0]))
		for j := range v {
			v[j] *= scale
		}
	}
}

func plainSoftmaxRowsGrad(rows, cols int, p *float32, ldp int, d *float32, ldd int) {
	for r := range rows {
		pv, dv := row(p, r, ldp, cols), row(d, r, ldd, cols)
		mean := plainDot(cols, &pv[0], &dv[0])
		for j := range dv {
			dv[j] = pv[j] * (dv[j] - mean)
		}
	}
}
