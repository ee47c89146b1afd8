import { NO_VALUE, type Shown } from './format.ts'
import { type Html, html, type Part } from './html.ts'

/** What a cell shows, with every digit at hand where it is rounded. */
export function shown({ text, exact }: Shown): Html {
  if (text === NO_VALUE) return html`<span class="none">${text}</span>`
  return exact === undefined ? html`${text}` : html`<span title="${exact}">${text}</span>`
}

export interface TableInput {
  /** What the table is of, read out before it. */
  readonly caption: string
  readonly columns: readonly string[]
  /** The first cell of a row is its heading. */
  readonly rows: readonly (readonly Part[])[]
  /** How many columns after the first hold text, which begins at the left. None unless said otherwise. */
  readonly textColumns?: number | undefined
}

/** A table in a box of its own, which scrolls where the screen is narrow; it can be reached and scrolled by the keyboard. */
export function table({ caption, columns, rows, textColumns = 0 }: TableInput): Html {
  const kind = (i: number) => (i <= textColumns ? 't' : undefined)
  const head = columns.map((column, i) => html`<th scope="col"${classOf(kind(i))}>${column}</th>`)
  const body = rows.map(([first, ...rest]) => {
    const cells = rest.map((cell, i) => html`<td${classOf(kind(i + 1))}>${cell}</td>`)
    return html`<tr><th scope="row">${first}</th>${cells}</tr>\n`
  })
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table>
<caption class="hidden">${caption}</caption>
<thead><tr>${head}</tr></thead>
<tbody>
${body}</tbody></table></div>`
}

function classOf(name: string | undefined): Html {
  return name === undefined ? html`` : html` class="${name}"`
}

/**
 * The table behind a chart: a row for each day, thousands of them. End tags that HTML lets one leave out are left out, which
 * saves a fifth.
 */
export function longTable(
  caption: string,
  columns: readonly string[],
  rows: readonly (readonly Shown[])[],
): Html {
  const body = rows.map(([first, ...rest]) => {
    const cells = rest.map(({ text, exact }) =>
      exact === undefined ? html`<td>${text}` : html`<td title="${exact}">${text}`,
    )
    return html`<tr><th scope=row>${first?.text}${cells}\n`
  })
  return html`<div class="scroll long" tabindex="0" role="region" aria-label="${caption}"><table>
<caption class="hidden">${caption}</caption>
<thead><tr>${columns.map((column) => html`<th scope=col>${column}`)}</thead>
<tbody>
${body}</table></div>`
}
