/**
 * Case folding of names: two names are the same entry of a folder when their folded forms are equal.
 *
 * OneDrive compares names case-insensitively and keeps their case (Graph: "Path-based addressing"; NTFS semantics).
 * Its table is not published, so this is the simple upper-casing of Unicode, code point by code point, as NTFS does it:
 * no locale, no expansion (`ß` stays `ß`, although its full upper case is `SS`) and no normalisation (the composed and
 * the decomposed `é` are different names).
 */
export const fold = (name: string): string => {
  if (isPlainAscii(name)) return name.toUpperCase()
  let folded = ""
  for (const character of name) {
    const upper = character.toUpperCase()
    folded += isOneCodePoint(upper) ? upper : character
  }
  return folded
}

const isPlainAscii = (name: string): boolean => {
  for (let index = 0; index < name.length; index++) if (name.charCodeAt(index) > 127) return false
  return true
}

const isOneCodePoint = (text: string): boolean =>
  text.length === 1 || (text.length === 2 && text.codePointAt(0)! > 0xffff)
