package scan_test

import (
	"bytes"
	"errors"
	"image"
	"math/rand/v2"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim/scan"
)

func TestALargeScanIsMadeSmallEnough(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 1000, 1400))
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range img.Pix {
		img.Pix[i] = byte(rng.Uint32())
	}
	for _, format := range []string{"png", "jpg", "bmp", "gif", "tif"} {
		data, err := scan.Encode(img, format, "fullcolor")
		if err != nil || len(data) > scan.MaxBytes {
			t.Errorf("%s: %d bytes, %v", format, len(data), err)
		}
		if _, _, err := image.DecodeConfig(bytes.NewReader(data)); err != nil {
			t.Errorf("%s: %v", format, err)
		}
	}
	if _, err := scan.Encode(img, "wmf", ""); !errors.Is(err, scan.ErrFormat) {
		t.Errorf("wmf = %v", err)
	}
}
