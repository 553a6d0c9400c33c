// imapflow does what a program would do with it; one line for each thing shown: "ok WHAT" or "not WHAT: why".
// Host, port, user, password and the file of the CA come as arguments.
const fs = require('fs')
const { ImapFlow } = require('imapflow')

// Node before 20 tries one address of localhost alone, and nobody listens at ::1.
require('dns').setDefaultResultOrder('ipv4first')

const [host, port, user, pass, ca] = process.argv.slice(2)

function show(what, good, detail) {
	console.log(good ? `ok ${what}` : `not ${what}: ${JSON.stringify(detail)}`)
}

function letter(name, text) {
	return `From: Anna <anna@demo.test>\r\nTo: Ben <ben@demo.test>\r\nMessage-ID: <${name}@demo.test>\r\n` +
		`Subject: ${name}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text}\r\n`
}

function client(qresync) {
	return new ImapFlow({ host, port: +port, secure: true, auth: { user, pass }, logger: false, qresync,
		tls: { ca: fs.readFileSync(ca) }, disableAutoIdle: true })
}

async function all(answers) {
	const found = []
	for await (const one of answers) found.push(one)
	return found
}

async function main() {
	const c = client(false), other = client(true)
	await c.connect()
	await other.connect()
	show('logs on and enables', c.enabled.has('CONDSTORE') && other.enabled.has('QRESYNC'), [...c.enabled])

	const made = await c.mailboxCreate('Bücher/Neue')
	show('makes folders', made.created === true, made)
	const tree = (await c.list()).map(f => f.path).sort()
	show('lists folders', tree.includes('Bücher/Neue') && tree.includes('INBOX'), tree)
	for (const [name, flags] of [['one', []], ['two', ['\\Seen']], ['three', ['\\Flagged']], ['four', []]]) {
		const stored = await c.append('INBOX', letter(name, `text of ${name}, müde`), flags, new Date(1e12))
		show(`appends ${name}`, stored.uid > 0 && stored.uidValidity > 0, String(stored))
	}
	const status = await c.status('INBOX', { messages: true, unseen: true, uidNext: true, highestModseq: true })
	show('asks for the status', status.messages === 4 && status.unseen === 3 && status.highestModseq > 0n,
		[status.messages, status.unseen])

	const lock = await c.getMailboxLock('INBOX')
	show('opens', c.mailbox.exists === 4 && c.mailbox.uidValidity > 0n, c.mailbox.exists)
	const rows = await all(c.fetch('1:*', { uid: true, flags: true, envelope: true, bodyStructure: true, size: true,
		internalDate: true, threadId: true, labels: true, headers: ['subject'] }))
	show('fetches', rows.map(r => r.envelope.subject).join() === 'one,two,three,four' &&
		rows.every(r => r.bodyStructure.type === 'text/plain' && r.size > 100 && r.emailId), rows.map(r => r.envelope.subject))
	show('dates are kept', rows[0].internalDate.getTime() === 1e12, rows[0].internalDate)
	const { content } = await c.download('1')
	const text = Buffer.concat(await all(content)).toString()
	show('downloads', text === letter('one', 'text of one, müde'), text)
	const part = await c.download('2', '1')
	show('downloads a part', Buffer.concat(await all(part.content)).toString().includes('text of two, müde'))
	show('searches flags', (await c.search({ seen: false })).join() === '1,3,4')
	show('searches texts', (await c.search({ body: 'text of three', header: { subject: 'three' } }, { uid: true })).length === 1)
	show('searches or', (await c.search({ or: [{ subject: 'one' }, { flagged: true }] })).join() === '1,3')
	await c.messageFlagsAdd('1', ['\\Seen', 'work'])
	await c.messageFlagsRemove('3', ['\\Flagged'])
	const flags = (await all(c.fetch('1:*', { flags: true }))).map(r => [...r.flags].filter(f => f !== '\\Recent').sort().join())
	show('flags', flags.join(';') === '\\Seen,work;\\Seen;;', flags)
	const since = c.mailbox.highestModseq, uidValidity = c.mailbox.uidValidity

	await other.mailboxOpen('INBOX')
	await other.messageFlagsAdd('4', ['\\Answered'])
	const changed = await all(c.fetch('1:*', { flags: true }, { changedSince: since }))
	show('hears what changed since', changed.length === 1 && changed[0].flags.has('\\Answered'), changed.length)
	const heard = new Promise(done => c.once('exists', done)), gone = new Promise(done => c.once('expunge', done))
	const idle = c.idle()
	await other.append('INBOX', letter('five', 'news'))
	show('hears of news while it idles', (await heard).count === 5)
	await other.messageDelete('5')
	show('hears of removals while it idles', (await gone).path === 'INBOX')
	await c.noop() // which ends the IDLE
	await idle
	const copied = await c.messageCopy('1', 'Bücher/Neue')
	show('copies', copied.uidMap.size === 1, copied)
	const moved = await c.messageMove({ subject: 'two' }, 'Bücher/Neue')
	show('moves', moved.uidMap.size === 1 && c.mailbox.exists === 3, c.mailbox.exists)
	const vanished = new Promise(done => other.once('expunge', done))
	await other.noop()
	show('hears that something vanished', (await vanished).vanished === true)
	await c.messageDelete({ subject: 'three' })
	show('removes', c.mailbox.exists === 2, c.mailbox.exists)
	lock.release()
	const back = client(true), changes = [], lost = []
	back.on('flags', change => changes.push(change))
	back.on('expunge', loss => lost.push(loss))
	await back.connect()
	const box = await back.mailboxOpen('INBOX', { changedSince: since, uidValidity })
	show('opens again by QRESYNC', box.qresync === true && box.exists === 2, [box.qresync, box.exists])
	show('is told what vanished meanwhile', lost.every(l => l.vanished && l.earlier) &&
		lost.map(l => l.uid).sort().join() === '2,3,5', lost)
	show('is told what changed meanwhile', changes.map(f => `${f.uid} ${[...f.flags]}`).join() === '4 \\Answered',
		changes.map(f => [f.uid, ...f.flags]))
	await back.logout()
	const quota = await c.getQuota()
	show('asks for the quota', quota === false || quota.path === 'INBOX', quota)

	await c.mailboxOpen('Bücher/Neue', { readOnly: true })
	show('has what it copied and moved', (await all(c.fetch('1:*', { envelope: true })))
		.map(r => r.envelope.subject).join() === 'one,two')
	await c.mailboxClose()
	await c.mailboxRename('Bücher/Neue', 'Alt')
	await c.mailboxDelete('Alt')
	show('removes folders', !(await c.list()).some(f => f.path === 'Alt'))
	await c.logout()
	await other.logout()
	show('comes to its end', true)
}

main().catch(why => {
	console.log(`not to its end: ${why.stack} ${why.responseText || ''}`)
	process.exit(1)
})
