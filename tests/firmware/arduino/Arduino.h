// What the sketches use of an Arduino, on stdin and stdout of a process. For tests only.
#pragma once
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned char byte;
enum { LOW, HIGH, OUTPUT, LED_BUILTIN = 13, A0 = 14 };

static byte pins[32];
static inline void pinMode(int, int) {}
static inline void digitalWrite(int pin, int level) { pins[pin] = level; }
static inline int analogRead(int) {
  static int value = 40;
  return value++;
}
static inline unsigned long millis() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000UL + now.tv_nsec / 1000000UL;
}
static inline char *dtostrf(double value, int width, int digits, char *out) {
  sprintf(out, "%*.*f", width, digits, value);
  return out;
}

struct SerialPort {
  void begin(long) {}
  int available() {
    pollfd in = {0, POLLIN, 0};
    return poll(&in, 1, 1) > 0;
  }
  int read() {
    char c;
    if (::read(0, &c, 1) != 1) exit(0);
    return c;
  }
  void print(const char *text) {
    if (::write(1, text, strlen(text)) < 0) exit(1);
  }
};
static SerialPort Serial;

// The Arduino tool declares a sketch's functions itself.
void dropOldest();
void setup();
void loop();
int main() {
  setup();
  for (;;) loop();
}
