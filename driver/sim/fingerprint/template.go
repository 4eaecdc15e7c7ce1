package fingerprint

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// minutia is a point of a print: a place on a grid of 256 by 256 and a direction.
type minutia struct{ x, y, angle byte }

// points is how many minutiae every print has.
const points = 32

// print is what the sensor sees, and what a template holds.
type print [points]minutia

// invent makes the print of a finger from its name, the same each time. The print
// belongs to nobody: it is a hash.
func invent(finger string) print {
	var out print
	for i := range out {
		sum := sha256.Sum256(fmt.Appendf(nil, "plomb finger %d %s", i, finger))
		out[i] = minutia{sum[0], sum[1], sum[2]}
	}
	return out
}

// worn changes so many points of a hundred, as dirt and pressure do; always the same
// ones.
func (p print) worn(percent int) print {
	for i := range p {
		if i*100 < percent*points {
			p[i].x, p[i].y = p[i].x+100, p[i].y+100
		}
	}
	return p
}

// tolerance is how far apart two points may be that count as one, on each axis.
const tolerance = 2

// compare says how alike two prints are, in percent: how many points of the one have
// a point of the other within two steps of the grid.
func (p print) compare(q print) int {
	same := 0
	for _, a := range p {
		for _, b := range q {
			if near(a.x, b.x) && near(a.y, b.y) {
				same++
				break
			}
		}
	}
	return same * 100 / points
}

func near(a, b byte) bool {
	d := int(a) - int(b)
	return d >= -tolerance && d <= tolerance
}

// magic begins every template: "PLT1" and the number of points.
var magic = append([]byte("PLT1"), points)

// TemplateSize is the length of a template in bytes.
const TemplateSize = 5 + 3*points + 4

// ErrTemplate says that bytes are no template of this sensor.
var ErrTemplate = errors.New("that is no template of this sensor")

// Template gives the template of a finger by its name, as the sensor would.
func Template(finger string) []byte { return invent(finger).encode() }

func (p print) encode() []byte {
	out := append([]byte(nil), magic...)
	for _, m := range p {
		out = append(out, m.x, m.y, m.angle)
	}
	sum := sha256.Sum256(out)
	return append(out, sum[:4]...)
}

func decode(data []byte) (print, error) {
	var out print
	if len(data) != TemplateSize || string(data[:5]) != string(magic) {
		return out, ErrTemplate
	}
	body := data[:len(data)-4]
	sum := sha256.Sum256(body)
	if binary.BigEndian.Uint32(sum[:]) != binary.BigEndian.Uint32(data[len(body):]) {
		return out, ErrTemplate
	}
	for i := range out {
		out[i] = minutia{body[5+3*i], body[6+3*i], body[7+3*i]}
	}
	return out, nil
}
