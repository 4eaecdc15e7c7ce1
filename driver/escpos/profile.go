package escpos

// Profile is what must be known about a model of printer. The dot sizes are those
// of 203 dpi heads.
type Profile struct {
	Name    string
	Columns int // characters of the normal font (12 x 24 dots) on a line
	Dots    int // printable dots across the paper

	// Pages are the numbers of the code pages that the printer has, in order of
	// preference; see [PageByNumber]. The first is taken for plain ASCII.
	Pages []byte
	// GB18030 says that the printer has Chinese characters in its multi-byte mode.
	GB18030 bool

	NativeQR  bool // it draws QR codes itself; otherwise they are sent as pictures
	NoCutter  bool // a cut becomes a feed to the tear bar
	NoProcess bool // it does not answer process id requests; GS r is used instead
	NoClear   bool // it cannot throw its buffer away on request
	// DrawerOpenLow says that pin 3 of the drawer connector is low while the drawer
	// is open.
	DrawerOpenLow bool
}

// Cell is the size of a character of the normal font, in dots.
const (
	cellWidth  = 12
	cellHeight = 24
)

// defaultPages cover the languages written in Latin, Greek and Cyrillic letters.
var defaultPages = []byte{19, 18, 45, 17, 16, 46, 47, 48, 51, 0}

// Generic80 is a printer for 80 mm paper: 48 columns, 576 dots.
func Generic80() Profile {
	return Profile{Name: "ESC/POS 80 mm", Columns: 48, Dots: 576, Pages: defaultPages, NativeQR: true}
}

// Generic58 is a printer for 58 mm paper: 32 columns, 384 dots, no cutter.
func Generic58() Profile {
	return Profile{Name: "ESC/POS 58 mm", Columns: 32, Dots: 384, Pages: defaultPages, NativeQR: true, NoCutter: true}
}

// Chinese80 is [Generic80] with Chinese characters.
func Chinese80() Profile {
	p := Generic80()
	p.Name, p.GB18030 = "ESC/POS 80 mm GB18030", true
	return p
}
