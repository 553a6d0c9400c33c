// Carried out within Thunderbird by its remote control: an account is made, its folders are fetched, and what is
// asked for by name is done with them. Comes back as [error, value].
const [step, given] = arguments, answer = arguments[arguments.length - 1];
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");

// A listener of a URL or of a copy, and the promise of its end.
function waiter() {
	let end;
	const promise = new Promise((good, bad) => {
		end = status => Components.isSuccessCode(status) ? good() : bad(new Error(`status ${status.toString(16)}`));
	});
	return { promise, QueryInterface: ChromeUtils.generateQI(["nsIUrlListener", "nsIMsgCopyServiceListener"]),
		OnStartRunningUrl() {}, OnStopRunningUrl(url, status) { end(status); },
		onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
		onStopCopy(status) { end(status); } };
}

function server() {
	return MailServices.accounts.allServers.find(s => s.type == "imap");
}

function folder(name) {
	const found = server().rootFolder.descendants.find(f => f.name == name || f.name.toLowerCase() == name.toLowerCase());
	if (!found)
		throw new Error(`no folder ${name}: ${server().rootFolder.descendants.map(f => f.name)}`);
	return found.QueryInterface(Ci.nsIMsgImapMailFolder);
}

function message(of, name) {
	return [...folder(of).messages].find(m => m.messageId.startsWith(name + "@"));
}

async function until(holds) {
	for (let i = 0; i < 1200; i++) {
		if (holds())
			return true;
		await new Promise(go => setTimeout(go, 100));
	}
	return false;
}

// A file of this path.
function at(path) {
	const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
	file.initWithPath(path);
	return file;
}

// Asks the server for the messages that have a string in one of their parts: their names.
function sought(of, attribute, words) {
	const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
	session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folder(of));
	const term = session.createTerm(), value = term.value;
	value.attrib = term.attrib = attribute;
	value.str = words;
	term.value = value;
	term.op = Ci.nsMsgSearchOp.Contains;
	session.appendTerm(term);
	const found = [];
	return new Promise((good, bad) => {
		session.registerListener({ QueryInterface: ChromeUtils.generateQI(["nsIMsgSearchNotify"]), onNewSearch() {},
			onSearchHit(header) { found.push(header.messageId.split("@")[0]); },
			onSearchDone(status) {
				Components.isSuccessCode(status) ? good(found.sort()) : bad(new Error(`status ${status.toString(16)}`));
			} });
		session.search(null);
	});
}

const steps = {
	async account({ host, port, user, password, ca }) {
		Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(ca, "C,,");
		const incoming = MailServices.accounts.createIncomingServer(user, host, "imap");
		incoming.port = port;
		incoming.socketType = Ci.nsMsgSocketType.SSL;
		incoming.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
		incoming.password = password;
		const account = MailServices.accounts.createAccount(), identity = MailServices.accounts.createIdentity();
		identity.email = user;
		account.addIdentity(identity);
		account.incomingServer = incoming;
		incoming.performExpand(null);
		return until(() => incoming.rootFolder.descendants.length > 1);
	},
	folders() {
		return server().rootFolder.descendants.map(f => f.name).sort();
	},
	async fetch({ name }) {
		const end = waiter();
		folder(name).updateFolderWithListener(null, end);
		await end.promise;
		return steps.list({ name });
	},
	list({ name }) {
		return [...folder(name).messages].map(m => [m.messageId.split("@")[0], m.isRead, m.isFlagged,
			m.mime2DecodedSubject]);
	},
	// The texts of a whole folder; the names of those that are here then.
	async keep({ name }) {
		folder(name).setFlag(Ci.nsMsgFolderFlags.Offline);
		const end = waiter();
		folder(name).downloadAllForOffline(end, null);
		await end.promise;
		return [...folder(name).messages].filter(m => folder(name).hasMsgOffline(m.messageKey))
			.map(m => m.messageId.split("@")[0]).sort();
	},
	async save({ name, of, path }) {
		const uri = folder(of).getUriForMsg(message(of, name)), end = waiter();
		MailServices.messageServiceFromURI(uri).saveMessageToDisk(uri, at(path), false, end, true, null);
		await end.promise;
	},
	async bring({ path, to }) {
		const end = waiter();
		MailServices.copy.copyFileMessage(at(path), folder(to), null, false, Ci.nsMsgMessageFlags.Read, "", end, null);
		await end.promise;
	},
	read({ name, of, yes }) {
		folder(of).markMessagesRead([message(of, name)], yes);
	},
	flag({ name, of, yes }) {
		folder(of).markMessagesFlagged([message(of, name)], yes);
	},
	tag({ name, of, tag }) {
		folder(of).addKeywordsToMessages([message(of, name)], tag);
	},
	async transfer({ name, of, to, move }) {
		const end = waiter();
		MailServices.copy.copyMessages(folder(of), [message(of, name)], folder(to), move, end, null, false);
		await end.promise;
	},
	// Only marks (0), moves to the trash (1), removes at once (2): what a user chose.
	way({ model }) {
		server().QueryInterface(Ci.nsIImapIncomingServer).deleteModel = model;
	},
	async remove({ name, of }) {
		const end = waiter();
		folder(of).deleteMessages([message(of, name)], null, false, false, end, false);
		await end.promise;
	},
	async compact({ name }) {
		const end = waiter();
		folder(name).compact(end, null);
		await end.promise;
	},
	async hears({ name, of }) {
		return until(() => message(of, name));
	},
	async forgets({ name, of }) {
		return until(() => !message(of, name));
	},
	async make({ name }) {
		server().rootFolder.createSubfolder(name, null);
		return until(() => steps.folders().includes(name));
	},
	async rename({ from, to }) {
		folder(from).rename(to, null);
		return until(() => steps.folders().includes(to) && !steps.folders().includes(from));
	},
	subject({ of, words }) {
		return sought(of, Ci.nsMsgSearchAttrib.Subject, words);
	},
	body({ of, words }) {
		return sought(of, Ci.nsMsgSearchAttrib.Body, words);
	},
};

Promise.resolve().then(() => steps[step](given)).then(value => answer([null, value ?? null]),
	why => answer([`${why}`, null]));
