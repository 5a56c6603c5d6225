// A thermometer and a lamp on the gateway's text dialect: `framing: text_link`, 115200 baud.
//
// Each reading is numbered and kept until the gateway has it on disk, and every line has a checksum.
// `nats request cmd.uno.led on` switches the lamp. Truth: docs/device-link.md, "The text dialect".

const char NAME[] = "uno";
const unsigned long MEASURE_MS = 1000;
const unsigned long REPEAT_MS = 500;  // a line that is not acknowledged is said again
const byte KEPT_MAX = 8;              // readings that wait; the oldest gives way

struct Reading {
  unsigned long number;
  float value;
};

Reading kept[KEPT_MAX];
byte keptCount = 0;
unsigned long lastNumber = 0;
bool greeted = false;
bool served = false;  // the gateway has answered our `serve`: noise may take that line, too
unsigned long saidAt = 0;
unsigned long servedAt = 0;
unsigned long measuredAt = 0;
char line[96];  // that comes; a longer one is passed over
byte lineSize = 0;
bool lineTooLong = false;

// Say a line with its checksum: all its bytes, xor.
void say(const char *text) {
  byte sum = 0;
  for (const char *c = text; *c; c++) sum ^= *c;
  char end[6];
  snprintf(end, sizeof end, "*%02X\n", sum);
  Serial.print(text);
  Serial.print(end);
}

void sayHello() {
  char text[40];
  snprintf(text, sizeof text, "hello %s", NAME);
  say(text);
}

void sayOldest() {
  char value[16], text[48];
  dtostrf(kept[0].value, 1, 2, value);
  snprintf(text, sizeof text, "#%lu pt temperature %s C", kept[0].number, value);
  say(text);
}

void keep(float value) {
  if (keptCount == KEPT_MAX) dropOldest();
  kept[keptCount].number = ++lastNumber;
  kept[keptCount].value = value;
  keptCount++;
}

void dropOldest() {
  for (byte i = 1; i < keptCount; i++) kept[i - 1] = kept[i];
  keptCount--;
}

// Take the checksum off; false for a line that was damaged.
bool isWhole(char *text) {
  char *star = strrchr(text, '*');
  if (!star || strlen(star) != 3) return false;
  byte sum = 0;
  for (char *c = text; c < star; c++) sum ^= *c;
  *star = 0;
  return strtoul(star + 1, 0, 16) == sum;
}

void hear(char *text) {
  unsigned long number;
  char subject[32], payload[32];
  if (!isWhole(text)) return;
  if (!strcmp(text, "ok hello")) {
    greeted = true;
    served = false;
    saidAt = servedAt = millis() - REPEAT_MS;
  } else if (!strcmp(text, "ok sub led") || !strcmp(text, "no sub led")) {
    served = true;  // or it may not be: the gateway's `messages` say so
  } else if (!strcmp(text, "hello?")) {
    greeted = false;  // the gateway was restarted; our numbers go on
  } else if (greeted && sscanf(text, "ok %lu", &number) == 1) {
    while (keptCount && kept[0].number <= number) dropOldest();
    saidAt = millis() - REPEAT_MS;  // the next one at once
  } else if (sscanf(text, "req %lu %31s %31s", &number, subject, payload) == 3) {
    bool on = !strcmp(payload, "on");
    digitalWrite(LED_BUILTIN, on ? HIGH : LOW);
    snprintf(line, sizeof line, "rep %lu %s", number, on ? "on" : "off");
    say(line);
  }
}

void setup() {
  Serial.begin(115200);
  pinMode(LED_BUILTIN, OUTPUT);
}

void loop() {
  while (Serial.available()) {
    char c = Serial.read();
    if (c != '\n' && c != '\r') {
      if (lineSize < sizeof line - 1) line[lineSize++] = c; else lineTooLong = true;
    } else if (lineSize) {
      line[lineSize] = 0;
      lineSize = 0;
      if (!lineTooLong) hear(line);
      lineTooLong = false;
    }
  }
  unsigned long now = millis();
  if (now - measuredAt >= MEASURE_MS) {
    measuredAt = now;
    keep(analogRead(A0) * 500.0 / 1024.0);  // an LM35: 10 mV for each degree, of 5 V
  }
  if (greeted && !served && now - servedAt >= REPEAT_MS) {
    servedAt = now;
    say("serve led");
  }
  if (now - saidAt >= REPEAT_MS) {
    saidAt = now;
    if (!greeted) sayHello();
    else if (keptCount) sayOldest();
  }
}
