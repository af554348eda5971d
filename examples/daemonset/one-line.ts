/**
 * Formats text for the log, on one line: control characters, which a terminal would interpret, are escaped, and long
 * text is cut. The library already does this for its messages. Node.js does not, nor for what its messages quote.
 */
export function oneLine(text: string, maxLength = 8192): string {
  const shown = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return shown.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    character => `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  );
}
