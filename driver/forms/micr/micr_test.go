package micr_test

import (
	"fmt"
	"image"
	"testing"

	"github.com/plomb-pos/plomb/driver/forms/micr"
)

func TestEveryCharacterHasItsOwnShape(t *testing.T) {
	seen := map[string]rune{}
	for _, r := range "0123456789⑆⑇⑈⑉" {
		img := image.NewRGBA(image.Rect(0, 0, micr.Width, micr.Height))
		micr.Draw(img, 0, 0, 1, string(r))
		if other, ok := seen[string(img.Pix)]; ok {
			t.Errorf("%q looks like %q", r, other)
		}
		seen[string(img.Pix)] = r
	}
}

func TestALineOfOtherCharactersIsRefused(t *testing.T) {
	for _, line := range []string{"", "12A", "１２"} {
		if micr.Check(line) == nil {
			t.Errorf("Check(%q) = nil", line)
		}
	}
}

func ExamplePlain() {
	fmt.Println(micr.Plain("⑆123456789⑆ 0012345⑈"), micr.Check("⑆12⑆"))
	// Output: A123456789A 0012345C <nil>
}
