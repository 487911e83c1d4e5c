"""`python -m penstock.kafka.plugin`: make our jar where it is missing or older than its sources; `make install` runs it."""

from __future__ import annotations

from penstock.kafka import plugin
from penstock.kafka.java import find_java
from penstock.settings import load

settings = load()
print(plugin.ensure(find_java(settings.java_home, settings.cache), settings.cache, settings.maven_mirror))
