"""Makes vectors.json: tokens computed without the Go code. Run: python3 make.py"""
import hashlib, hmac, json

HOST = bytes(range(32))
DEVICE = bytes(range(255, 223, -1))


def token(key, nonce, *fields):
    middle = "".join(f"{k}={v}," for k, v in fields)
    length = len(f"NONCE={nonce},TOKENFORMAT=1,TOKENLENGTH=0000,{middle}HMACSHA256=") + 64
    text = f"NONCE={nonce},TOKENFORMAT=1,TOKENLENGTH={length:04d},{middle}HMACSHA256="
    return text + hmac.new(key, text.encode("ascii"), hashlib.sha256).hexdigest().upper()


nonce = "254611E63B2531576314E86527338D61"
order = token(HOST, nonce, ("DISPENSE1", "50.00EUR"))
vectors = [
    {"name": "one currency", "key": HOST.hex(), "token": order, "amounts": {"EUR": 5000}},
    {"name": "two currencies", "key": HOST.hex(), "token": token(HOST, nonce, ("DISPENSE1", "123.45EUR"), ("DISPENSE2", "1000JPY")), "amounts": {"EUR": 12345, "JPY": 1000}},
    {"name": "a decimal nonce", "key": HOST.hex(), "token": token(HOST, "4711", ("DISPENSE1", "0.005KWD")), "amounts": {"KWD": 5}},
    {"name": "short decimals", "key": HOST.hex(), "token": token(HOST, nonce, ("DISPENSE1", "50.5EUR")), "amounts": {"EUR": 5050}},
    {"name": "response", "key": DEVICE.hex(), "nonce": "1234414B0BA168ECFC39602F77D0C583", "token": token(
        DEVICE, "1234414B0BA168ECFC39602F77D0C583", ("DISPENSEID", order[-64:]), ("DISPENSED1", "50.00EUR"),
        ("PRESENTED1", "YES"), ("PRESENTEDAMOUNT1", "50.00EUR"), ("RETRACTED1", "NO"))},
]
with open("vectors.json", "w", encoding="ascii") as f:
    json.dump(vectors, f, indent=1)
    f.write("\n")
