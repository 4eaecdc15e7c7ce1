// Package micr draws and checks the code line at the foot of a cheque.
//
// The characters are the fourteen of E-13B (ANSI X9.100-20, ISO 1004-1): ten digits
// and the four symbols that Unicode has at U+2446 to U+2449. Shapes are drawn on
// E-13B's grid of 7 by 9 and resemble it; they are made for people and pictures,
// not for a magnetic reader.
//
//	err := micr.Check("⑆123456789⑆ 0012345⑈ 0042")
//	micr.Draw(img, 20, 200, 2, "⑆123456789⑆")
package micr

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"strings"
)

// The symbols of E-13B.
const (
	Transit = '⑆' // before and after the bank's number
	Amount  = '⑇'
	OnUs    = '⑈' // after the account's number
	Dash    = '⑉'
)

// Width and Height are a character's cell in dots of its grid, with the gap to the
// next one; the pitch is 8 to the inch, 13 thousandths a dot.
const (
	Width  = 9
	Height = 9
)

var shapes = map[rune]string{
	'0':     ".#####..#...#..#...#..#...#..#...#..#...#..#...#..#...#..#####.",
	'1':     "..##.....##......#......#......#......#.....####...####...####.",
	'2':     ".####......#......#......#...####...#......#......#......####..",
	'3':     ".####......#......#......#...#####.....##.....##.....##..#####.",
	'4':     ".##.....##.....##.....##.##..##.##..#####..#####.....##.....##.",
	'5':     ".####...#......#......#......####......#......#......#...####..",
	'6':     ".##.....#......#......#......#####..#...#..#...#..#...#..#####.",
	'7':     ".####...#..#...#..#......#.....##.....#......#......#......#...",
	'8':     "..###....#.#....#.#....#.#...#####..##.##..##.##..##.##..#####.",
	'9':     ".#####..#...#..#...#..#...#..#####.....##.....##.....##.....##.",
	Transit: ".##.....##.....##..##.....##.....##.....##.##..##.##.....##....",
	Amount:  ".##.....##.....##..#......#......#.....#...##.#....##.....##...",
	OnUs:    "....##.....##.#..##.#..##.#.....#......#......#..##.#..##......",
	Dash:    ".....................##.#.#.##.#.#.##.#.#......................",
}

// Check refuses a line with other characters than digits, the four symbols and
// spaces, and one that is empty or longer than a cheque.
func Check(line string) error {
	n := 0
	for _, r := range line {
		if _, ok := shapes[r]; !ok && r != ' ' {
			return fmt.Errorf("%q is no character of E-13B", r)
		}
		n++
	}
	if n == 0 || n > 64 {
		return fmt.Errorf("a code line has 1 to 64 characters")
	}
	return nil
}

// Plain spells the symbols with letters, as many applications do: A for Transit, B
// for Amount, C for OnUs, D for Dash.
func Plain(line string) string {
	return strings.NewReplacer("⑆", "A", "⑇", "B", "⑈", "C", "⑉", "D").Replace(line)
}

// Draw draws a line in black with its upper left corner at x, y; dot is the edge of
// a dot of the grid in pixels. Characters outside of E-13B leave a gap.
func Draw(on draw.Image, x, y, dot int, line string) {
	black := image.NewUniform(color.Black)
	for _, r := range line {
		for i, c := range shapes[r] {
			if c == '#' {
				at := image.Pt(x+i%7*dot, y+i/7*dot)
				draw.Draw(on, image.Rectangle{at, at.Add(image.Pt(dot, dot))}, black, image.Point{}, draw.Src)
			}
		}
		x += Width * dot
	}
}
