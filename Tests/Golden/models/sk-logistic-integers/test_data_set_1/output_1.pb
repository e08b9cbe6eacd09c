
BprobabilitiesJP&Ş?ÑÓi2B÷X8æW5ßFE6ö3õ6AÙ6^b08EX69@†r9âõ®:÷„Ê5ƒä-8Ú9K	b9kŒ¦;=À°4®¼®9)‹Í9©ÿ}?