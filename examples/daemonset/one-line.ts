/**
 * Text for the log, on one line: control characters, which a terminal would act on, are escaped, and what is too long
 * is cut. Messages of the library are so already; those of Node.js, and what they quote, are not.
 */
export function oneLine(text: string, maxLength = 8192): string {
  const shown = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return shown.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    character => `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  );
}
