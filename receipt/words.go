package receipt

import (
	"slices"
	"strings"
)

// word is a key of the message table.
type word int

const (
	wReceipt word = iota
	wReturn
	wVoid
	wTraining
	wTrainingNot
	wLate
	wCopy
	wNumber
	wTill
	wOperator
	wTaxNumber
	wCustomer
	wOriginal
	wReason
	wDiscount
	wListPrice
	wSubtotal
	wTotal
	wRounding
	wCash
	wCard
	wVoucher
	wOther
	wChange
	wTip
	wPaidOut
	wTax
	wNet
	wGross
	wOutage
	wClock
	wNotSigned
	wWrittenAt
	wWrittenNumber
	wCheck
	wXReport
	wZReport
	wPeriod
	wPeriodReport
	wDocuments
	wSales
	wReturns
	wVoids
	wTurnover
	wTenders
	wOperators
	wGroups
	wNoGroup
	wBeyond
	wDiscounts
	wOverrides
	wNoReceipt
	wCopies
	wAborted
	wRemoved
	wSuspended
	wOpenings
	wNoSales
	wLookups
	wFloats
	wPayIns
	wPayOuts
	wDispensed
	wDifference
	wExpected
	wGrand
	wBefore
	wAfter
	wAtLeast
	wRefused
	wProForma
	wToPay
	wordCount
)

// languages are the columns of the table, English first.
var languages = []string{"en", "de", "pl", "zh"}

// Languages returns the languages that receipts can be printed in.
func Languages() []string { return slices.Clone(languages) }

var words = [wordCount][4]string{
	wProForma:      {"PRO FORMA BILL", "VORLÄUFIGE RECHNUNG", "RACHUNEK WSTĘPNY", "预结单"},
	wToPay:         {"TO PAY", "ZU ZAHLEN", "DO ZAPŁATY", "应付"},
	wReceipt:       {"Receipt", "Beleg", "Paragon", "收据"},
	wReturn:        {"RETURN", "RÜCKGABE", "ZWROT", "退货"},
	wVoid:          {"VOID", "STORNO", "ANULOWANIE", "作废"},
	wTraining:      {"TRAINING", "SCHULUNG", "SZKOLENIE", "培训"},
	wTrainingNot:   {"NOT A RECEIPT", "KEIN BELEG", "TO NIE JEST PARAGON", "非正式收据"},
	wLate:          {"LATE ENTRY", "NACHERFASSUNG", "WPIS OPÓŹNIONY", "补录"},
	wCopy:          {"COPY", "KOPIE", "KOPIA", "副本"},
	wNumber:        {"No.", "Nr.", "Nr", "编号"},
	wTill:          {"Till", "Kasse", "Kasa", "收银台"},
	wOperator:      {"Operator", "Bediener", "Kasjer", "收银员"},
	wTaxNumber:     {"Tax no.", "Steuernr.", "NIP", "税号"},
	wCustomer:      {"Customer", "Kunde", "Klient", "顾客"},
	wOriginal:      {"Original receipt", "Originalbeleg", "Paragon pierwotny", "原收据"},
	wReason:        {"Reason", "Grund", "Powód", "原因"},
	wDiscount:      {"Discount", "Rabatt", "Rabat", "折扣"},
	wListPrice:     {"List price", "Listenpreis", "Cena katalogowa", "原价"},
	wSubtotal:      {"Subtotal", "Zwischensumme", "Suma częściowa", "小计"},
	wTotal:         {"TOTAL", "SUMME", "SUMA", "合计"},
	wRounding:      {"Cash rounding", "Barrundung", "Zaokrąglenie", "现金取整"},
	wCash:          {"Cash", "Bar", "Gotówka", "现金"},
	wCard:          {"Card", "Karte", "Karta", "银行卡"},
	wVoucher:       {"Voucher", "Gutschein", "Bon", "礼券"},
	wOther:         {"Other", "Sonstige", "Inne", "其他"},
	wChange:        {"Change", "Rückgeld", "Reszta", "找零"},
	wTip:           {"Tip", "Trinkgeld", "Napiwek", "小费"},
	wPaidOut:       {"paid out", "ausgezahlt", "wypłacono", "已退"},
	wTax:           {"Tax", "Steuer", "Podatek", "税额"},
	wNet:           {"Net", "Netto", "Netto", "净额"},
	wGross:         {"Gross", "Brutto", "Brutto", "含税"},
	wOutage:        {"SIGNER OUTAGE", "SIGNATUREINHEIT AUSGEFALLEN", "AWARIA MODUŁU PODPISU", "签名装置故障"},
	wClock:         {"CLOCK UNSURE", "UHRZEIT UNSICHER", "CZAS NIEPEWNY", "时钟不确定"},
	wNotSigned:     {"Signature follows", "Signatur folgt", "Podpis w toku", "签名待补"},
	wWrittenAt:     {"Written by hand", "Handschriftlich", "Wystawiono ręcznie", "手写时间"},
	wWrittenNumber: {"Paper number", "Papiernummer", "Numer papierowy", "纸质编号"},
	wCheck:         {"Check this receipt", "Beleg prüfen", "Sprawdź paragon", "验证收据"},
	wXReport:       {"X REPORT", "X-BERICHT", "RAPORT X", "X 报表"},
	wZReport:       {"Z REPORT", "Z-BERICHT", "RAPORT Z", "Z 报表"},
	wPeriod:        {"Period", "Zeitraum", "Okres", "期间"},
	wPeriodReport:  {"PERIOD REPORT", "ZEITRAUMBERICHT", "RAPORT OKRESOWY", "期间报表"},
	wDocuments:     {"Documents", "Belege", "Dokumenty", "单据"},
	wSales:         {"Sales", "Verkäufe", "Sprzedaż", "销售"},
	wReturns:       {"Returns", "Rückgaben", "Zwroty", "退货"},
	wVoids:         {"Voids", "Stornos", "Anulowania", "作废"},
	wTurnover:      {"TURNOVER", "UMSATZ", "OBRÓT", "营业额"},
	wTenders:       {"Tenders", "Zahlungsarten", "Formy płatności", "付款方式"},
	wOperators:     {"Operators", "Bediener", "Kasjerzy", "收银员"},
	wGroups:        {"Groups", "Warengruppen", "Grupy", "商品组"},
	wNoGroup:       {"(no group)", "(ohne Gruppe)", "(bez grupy)", "（无组）"},
	wBeyond:        {"(further)", "(weitere)", "(pozostałe)", "（其他）"},
	wDiscounts:     {"Discounts", "Rabatte", "Rabaty", "折扣"},
	wOverrides:     {"Price overrides", "Preisänderungen", "Zmiany ceny", "改价"},
	wNoReceipt:     {"Returns without receipt", "Rückgaben ohne Beleg", "Zwroty bez paragonu", "无收据退货"},
	wCopies:        {"Copies", "Kopien", "Kopie", "副本"},
	wAborted:       {"Aborted", "Abgebrochen", "Przerwane", "已取消"},
	wRemoved:       {"Lines removed", "Zeilen entfernt", "Usunięte pozycje", "已删行"},
	wSuspended:     {"Suspended", "Geparkt", "Zawieszone", "挂单"},
	wOpenings:      {"Drawer openings", "Ladenöffnungen", "Otwarcia szuflady", "开钱箱"},
	wNoSales:       {"No sale", "Ohne Verkauf", "Bez sprzedaży", "无销售开箱"},
	wLookups:       {"Price look-ups", "Preisabfragen", "Sprawdzenia cen", "查价"},
	wFloats:        {"Float", "Wechselgeld", "Pogotowie kasowe", "备用金"},
	wPayIns:        {"Pay-ins", "Einlagen", "Wpłaty", "存入"},
	wPayOuts:       {"Pay-outs", "Entnahmen", "Wypłaty", "取出"},
	wDispensed:     {"By dispenser", "Vom Ausgabegerät", "Z wydawarki", "出钞机付出"},
	wDifference:    {"Cash difference", "Kassendifferenz", "Różnica kasowa", "现金差额"},
	wExpected:      {"Expected cash", "Soll-Bestand", "Stan oczekiwany", "应有现金"},
	wGrand:         {"Grand totals", "Gesamtsummen", "Sumy łączne", "累计总额"},
	wBefore:        {"before", "vorher", "przed", "之前"},
	wAfter:         {"after", "nachher", "po", "之后"},
	wAtLeast:       {"AT LEAST: ENTRIES WERE LOST", "MINDESTENS: EINTRÄGE FEHLEN", "CO NAJMNIEJ: BRAK WPISÓW", "至少：有记录丢失"},
	wRefused:       {"Refused commands", "Abgelehnte Befehle", "Odrzucone polecenia", "被拒操作"},
}

// vocabulary is one column of the table.
type vocabulary int

// speak finds the column for a language ("de-AT" is German); English where
// there is none.
func speak(language string) vocabulary {
	primary, _, _ := strings.Cut(strings.ToLower(language), "-")
	return vocabulary(max(0, slices.Index(languages, primary)))
}

func (v vocabulary) say(w word) string { return words[w][v] }
