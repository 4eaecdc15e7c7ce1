// Package scan makes of a drawn page what a scanner sends: a file in one of the
// formats of XFS4IoT, in as many colours as were asked for.
//
//	data, err := scan.Encode(page, "jpg", "grayscale")
//
// A file that would be larger than MaxBytes is made of half as many dots, until it
// is not: a message of XFS4IoT has a limit, and clients with usual limits must be
// able to read it.
package scan

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	xdraw "golang.org/x/image/draw"
	"golang.org/x/image/tiff"
)

// MaxBytes bounds one file.
const MaxBytes = 640 << 10

// ErrFormat says that there is no encoder for a format.
var ErrFormat = errors.New("images are png, jpg, bmp, gif or tif")

var encoders = map[string]func(io.Writer, image.Image) error{
	"png": png.Encode,
	"bmp": bmp.Encode,
	"jpg": func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, &jpeg.Options{Quality: 85}) },
	"gif": func(w io.Writer, m image.Image) error { return gif.Encode(w, m, nil) },
	"tif": func(w io.Writer, m image.Image) error {
		return tiff.Encode(w, m, &tiff.Options{Compression: tiff.Deflate})
	},
}

// Encode makes a file of a page. format is png, jpg, bmp, gif or tif; colors is
// binary, grayscale (in any case), or anything else for all of them.
func Encode(img *image.RGBA, format, colors string) ([]byte, error) {
	encode := encoders[format]
	if encode == nil {
		return nil, ErrFormat
	}
	for {
		var out bytes.Buffer
		if err := encode(&out, inColors(img, colors)); err != nil {
			return nil, fmt.Errorf("encode a scan: %w", err)
		}
		if out.Len() <= MaxBytes {
			return out.Bytes(), nil
		}
		img = halved(img)
	}
}

func halved(img *image.RGBA) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, max(img.Rect.Dx()/2, 1), max(img.Rect.Dy()/2, 1)))
	xdraw.ApproxBiLinear.Scale(out, out.Rect, img, img.Rect, xdraw.Src, nil)
	return out
}

// inColors is a page as a scanner with fewer colours sees it.
func inColors(img *image.RGBA, colors string) image.Image {
	if colors != "binary" && colors != "grayscale" && colors != "grayScale" {
		return img
	}
	gray := image.NewGray(img.Rect)
	draw.Draw(gray, img.Rect, img, img.Rect.Min, draw.Src)
	if colors != "binary" {
		return gray
	}
	out := image.NewPaletted(img.Rect, color.Palette{color.White, color.Black})
	for i, v := range gray.Pix {
		if v < 128 {
			out.Pix[i] = 1
		}
	}
	return out
}
