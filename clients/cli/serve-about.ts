/** What `sacm serve` says of itself in the list of commands, apart from it: the list loads none of them. */

export const ABOUT_SERVE = 'Run the server. Prints one JSON line on stdout when it is ready; logs go to stderr.'
