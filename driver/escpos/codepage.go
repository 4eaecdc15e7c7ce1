package escpos

import (
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
	"unicode"
	"unicode/utf8"
)

// pages are the code pages by the number that ESC t takes.
var pages = map[byte]*charmap.Charmap{
	0:  charmap.CodePage437,
	2:  charmap.CodePage850,
	3:  charmap.CodePage860,
	4:  charmap.CodePage863,
	5:  charmap.CodePage865,
	16: charmap.Windows1252,
	17: charmap.CodePage866,
	18: charmap.CodePage852,
	19: charmap.CodePage858,
	34: charmap.CodePage855,
	36: charmap.CodePage862,
	39: charmap.ISO8859_2,
	40: charmap.ISO8859_15,
	45: charmap.Windows1250,
	46: charmap.Windows1251,
	47: charmap.Windows1253,
	48: charmap.Windows1254,
	49: charmap.Windows1255,
	50: charmap.Windows1256,
	51: charmap.Windows1257,
	52: charmap.Windows1258,
}

// PageByNumber is the code page that ESC t number selects; ok is false for
// numbers that this package does not know.
func PageByNumber(number byte) (page *charmap.Charmap, ok bool) {
	page, ok = pages[number]
	return page, ok
}

// Loss is a character that could not be printed as it is.
type Loss struct {
	Rune rune
	As   string // what was printed in its place; "?" when nothing similar exists
}

// Readable says that the replacement can be understood: "EUR" for the sign, "s" for
// a letter with a mark.
func (l Loss) Readable() bool { return l.As != "?" }

// substitutes are readable replacements for signs that many code pages lack.
var substitutes = map[rune]string{
	'€': "EUR", '£': "GBP", '¥': "JPY", '₽': "RUB", '₺': "TRY", '₴': "UAH", '₹': "INR", '₿': "BTC",
	'–': "-", '—': "-", '‑': "-", '‒': "-", '−': "-", '\u00ad': "", '…': "...", '•': "*", '·': ".",
	'‘': "'", '’': "'", '‚': "'", '“': `"`, '”': `"`, '„': `"`, '‹': "<", '›': ">", '«': "<<", '»': ">>",
	'\u00a0': " ", '\u202f': " ", '\u2007': " ", '\u2009': " ", '\u200b': "", '\u200e': "", '\u200f': "", '\ufeff': "",
	'×': "x", '÷': "/", '½': "1/2", '¼': "1/4", '¾': "3/4", '™': "(TM)", '®': "(R)", '©': "(C)", '№': "No.",
	'ß': "ss", 'ẞ': "SS", 'Æ': "AE", 'æ': "ae", 'Ø': "O", 'ø': "o", 'Œ': "OE", 'œ': "oe",
	'Ł': "L", 'ł': "l", 'Đ': "D", 'đ': "d", 'ı': "i", 'Þ': "Th", 'þ': "th", 'Ð': "D", 'ð': "d",
}

// printable replaces what p cannot print. The result is in composed form
// (Unicode NFC) and encodes without loss.
func (p Profile) printable(text string) (string, []Loss) {
	if isASCII(text) {
		return text, nil
	}
	var out []byte
	var losses []Loss
	for _, r := range norm.NFC.String(text) {
		if p.has(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		as := p.substitute(r)
		out = append(out, as...)
		losses = append(losses, Loss{r, as})
	}
	return string(out), losses
}

func (p Profile) substitute(r rune) string {
	if s, ok := substitutes[r]; ok {
		return s
	}
	if unicode.In(r, unicode.Mn, unicode.Cf) {
		return ""
	}
	base, _ := utf8.DecodeRuneInString(norm.NFKD.String(string(r)))
	if base != r && p.has(base) {
		return string(base)
	}
	return "?"
}

// has says that p prints r in one of its code pages or as a Chinese character.
func (p Profile) has(r rune) bool {
	if r < utf8.RuneSelf {
		return true
	}
	_, ok := p.pageFor(r, 0)
	return ok || p.hanzi(r) != nil
}

// pageFor returns the code page for r, preferably the present one. Bytes below
// 0x80 do not count: pages differ there only by accident.
func (p Profile) pageFor(r rune, present byte) (byte, bool) {
	if _, ok := encodeIn(present, r); ok && p.lists(present) {
		return present, true
	}
	for _, number := range p.Pages {
		if _, ok := encodeIn(number, r); ok {
			return number, true
		}
	}
	return 0, false
}

func (p Profile) lists(number byte) bool {
	for _, n := range p.Pages {
		if n == number {
			return true
		}
	}
	return false
}

func encodeIn(number byte, r rune) (byte, bool) {
	page, ok := pages[number]
	if !ok {
		return 0, false
	}
	b, ok := page.EncodeRune(r)
	return b, ok && b >= 0x80
}

// hanzi is the GB18030 form of a wide character, two or four bytes, or nil. Others
// are left to the code pages, because the printer draws everything in this mode
// two columns wide.
func (p Profile) hanzi(r rune) []byte {
	if !p.GB18030 {
		return nil
	}
	if k := width.LookupRune(r).Kind(); k != width.EastAsianWide && k != width.EastAsianFullwidth {
		return nil
	}
	b, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(string(r)))
	if err != nil || len(b) < 2 {
		return nil
	}
	return b
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
