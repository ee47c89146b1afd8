/** Text that is HTML already. */
export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** What may stand in a template. Nothing is written for undefined and false. */
export type Part = Html | string | number | undefined | false | readonly Part[]

/**
 * Makes HTML of a template. What is put into it is text and is escaped, unless it is HTML itself: so a name that a stranger
 * chose stays a name. Values of attributes must stand in double quotes.
 */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.reduce((text, string, i) => text + toHtml(parts[i - 1]) + string))
}

function toHtml(part: Part): string {
  if (part === undefined || part === false) return ''
  if (part instanceof Html) return part.text
  if (typeof part === 'object') return part.map(toHtml).join('')
  return escapeText(String(part))
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '')
}

/** JSON that can stand inside a script element: nothing in it ends one or starts a comment. */
export function escapeJson(json: string): string {
  return json.replaceAll('<', '\\u003c')
}

/** Program text that can stand inside a script element. In JavaScript both stand in strings, where the escape changes nothing. */
export function escapeProgram(program: string): string {
  return program.replace(/<\/(script)/gi, '<\\/$1').replaceAll('<!--', '<\\!--')
}
