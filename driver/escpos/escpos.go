// Package escpos speaks ESC/POS, the byte protocol of receipt printers and of the
// cash drawers that hang on them, in all its directions:
//
//   - [Encode] turns a print document (package paper) into bytes for a printer
//     with a given [Profile], and says which characters it could not print.
//   - [Decode] and [Parse] turn bytes back into commands. They are strict, keep
//     every byte (a [Command] appends exactly the bytes it was read from) and never
//     panic; what they do not know is reported with its offset.
//   - [Roll] carries commands out on a picture of paper, at the printer's dot grid,
//     with its code pages, sizes, QR codes and barcodes.
//   - [Printer] keeps the connection to a real printer over TCP (port 9100) or a
//     serial line, knows its state, and prints so that the result is known.
//
// # What "printed" means
//
// Bytes that were sent are not yet on paper. [Printer.Print] ends every job with a
// process id request (GS ( H, function 48), or where the profile says that the
// printer has none, with a status request that waits its turn in the buffer
// (GS r). The printer answers when everything before it has been printed. So each
// job has one of three outcomes:
//
//	Printed     the answer came back
//	NotPrinted  nothing was sent, or the printer stopped (paper out, cover open,
//	            cutter) and confirmed that it threw away what was left of the job;
//	            a torn piece may hang out of it
//	Uncertain   the connection ended, or the printer fell silent, in between
//
// Nothing is ever sent twice by this package: what to do about an uncertain outcome
// is for whoever knows what the paper was for.
//
// # What was followed
//
// Command codes, code page numbers and status bits follow Epson's public ESC/POS
// command reference (ESC @, ESC t, GS ( k, GS k, GS v 0, GS V, ESC p, GS ( H,
// GS a, GS r, DLE EOT, DLE DC4 8) as most other makers do. A drawer's switch is
// pin 3 of its connector; whether high means open depends on the drawer, see
// [Profile.DrawerOpenLow].
//
// It does not do: USB class devices, ePOS-Print XML, graphics memory, page mode,
// and the order of right-to-left text.
//
//	p := escpos.New(escpos.TCP("192.0.2.7:9100"), escpos.Generic80())
//	go p.Run(ctx)
//	result, err := p.Print(ctx, doc)
package escpos
