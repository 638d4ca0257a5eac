//! How single values are spelled: numbers, dates, times, UUIDs. Pure functions of bytes.
